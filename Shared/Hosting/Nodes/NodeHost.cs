using System.Net;
using System.Reflection;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using PushSystem.Cluster;
using PushSystem.Cluster.Apps;
using PushSystem.Cluster.Configuration;
using PushSystem.Cluster.Etcd;
using PushSystem.Cluster.Nodes;
using PushSystem.Contracts;
using PushSystem.Hosting.Health;
using PushSystem.Hosting.Lifetime;
using PushSystem.Hosting.Problems;
using PushSystem.Rpc;
using RegistrationOptions = PushSystem.Cluster.Nodes.NodeOptions;

namespace PushSystem.Hosting.Nodes;

/// <summary>
/// One node of a cluster: etcd, its key, its links, its web server, and the role in their middle.
/// Owns all of them; made, run and disposed by <see cref="NodeProgram"/> on one thread, the parts have their own.
/// DisposeAsync stops what RunAsync started, in the order in which nothing accepted can be lost.
/// </summary>
public sealed class NodeHost : IAsyncDisposable
{
    private readonly NodeRole _role;
    private readonly ILogger _logger;
    private EtcdClient? _etcd;
    private NodeToken? _token;
    private NodeDirectory? _nodes;
    private NodeRegistration? _lease;
    private ConfigurationSource? _configuration;
    private EtcdAppDirectory? _apps;
    private NodeLinks? _links;
    private RpcServer? _server;
    private RolePeers? _rolePeers;
    private ServingPeers? _peers;
    private ServingLease? _serving;
    private WebApplication? _web;
    private NodeInfo? _self;
    private readonly Lock _describing = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Makes the host; nothing is opened yet.</summary>
    public NodeHost(string roleName, NodeOptions options, NodeRole role)
    {
        (RoleName, Options, _role) = (roleName, options, role);
        Loggers = LoggerFactory.Create(logging => logging.AddConsoleLog().SetMinimumLevel(Enum.Parse<LogLevel>(options.Log)));
        _logger = Loggers.CreateLogger<NodeHost>();
        Keys = new ClusterKeys(options.Cluster);
    }

    /// <summary>The role's name.</summary>
    public string RoleName { get; }
    /// <summary>The node file.</summary>
    public NodeOptions Options { get; }
    /// <summary>The clock.</summary>
    public TimeProvider Time => TimeProvider.System;
    /// <summary>The log.</summary>
    public ILoggerFactory Loggers { get; }
    /// <summary>Where the cluster's keys lie.</summary>
    public ClusterKeys Keys { get; }
    /// <summary>Health of the process; roles add checks.</summary>
    public HealthState Health { get; } = new();
    /// <summary>Methods that this node answers; filled in Prepare.</summary>
    public RpcMethods Methods { get; } = new();
    /// <summary>Etcd.</summary>
    public IEtcd Etcd => _etcd!;
    /// <summary>The nodes that live.</summary>
    public INodeDirectory Nodes => _nodes!;
    /// <summary>This node in etcd; from Start on.</summary>
    public INodeLease Lease => _lease!;
    /// <summary>Links to other nodes.</summary>
    public INodeLinks Links => _links!;
    /// <summary>The apps.</summary>
    public EtcdAppDirectory Apps => _apps!;
    /// <summary>The configuration in force.</summary>
    public ConfigurationSource Configuration => _configuration!;
    /// <summary>What was laid down when the cluster was created.</summary>
    public ClusterLayout Layout { get; private set; } = ClusterLayout.Default;
    /// <summary>As which incarnation to serve; from AddServices on.</summary>
    public ServingLease Serving => _serving!;
    /// <summary>The nodes of the own role; from AddServices on.</summary>
    public IPeers Peers => _peers!;
    /// <summary>The process ended by itself because a part that it cannot live without failed.</summary>
    public bool Failed => Health.Fatal is not null;

    /// <summary>Changes what the node says of itself in etcd.</summary>
    public void Describe(Func<NodeInfo, NodeInfo> change)
    {
        lock (_describing)
        {
            _self = change(_self!);
            _lease?.Describe(_self);
        }
    }

    /// <summary>
    /// Lays the configuration's section over the options of a component, now and with each change. Called in Prepare, before the options
    /// are used; <paramref name="changed"/> is called after each later change, on the watch's thread.
    /// </summary>
    public void Lay<TOptions, TSection>(
        OptionsOverlay<TOptions, TSection> overlay, Func<ClusterConfiguration, TSection> section, Action? changed = null)
        where TOptions : class, new()
        where TSection : class
    {
        overlay.ApplyAtStart(section(Configuration.Current));
        Configuration.Changed += (_, now) =>
        {
            var waiting = overlay.Apply(section(now));
            changed?.Invoke();
            if (waiting.Count > 0)
                NodeLog.NeedsRestart(_logger, RoleName, Options.Node, string.Join(", ", waiting));
        };
    }

    /// <summary>Runs until the signal, then drains and stops.</summary>
    public async Task RunAsync(StopSignal stop)
    {
        await OpenAsync(stop.Token);
        await _role.PrepareAsync(this, stop.Token);
        await _server!.StartAsync(stop.Token);
        await RegisterAsync(stop.Token);
        _web = BuildWeb();
        await _role.StartAsync(stop.Token);
        await _web.StartAsync(stop.Token);
        Announce();
        await await Task.WhenAny(stop.Requested, _ended.Task);
        NodeLog.Draining(_logger, RoleName, Options.Node);
        Health.StartDraining();
        Describe(self => self with { Draining = true });
        using var limit = new CancellationTokenSource(Options.DrainTime, Time);
        try
        {
            await _role.DrainAsync(limit.Token);
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested)
        {
            NodeLog.DrainTimedOut(_logger, RoleName, Options.Node, Options.DrainTime);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_web is not null)
        {
            await _web.StopAsync();
            await _web.DisposeAsync();
        }
        // The key goes first: others turn away before the links close.
        if (_lease is not null)
            await _lease.DisposeAsync();
        if (_server is not null)
            await _server.DisposeAsync();
        await _role.DisposeAsync();
        _serving?.Dispose();
        _rolePeers?.Dispose();
        if (_links is not null)
            await _links.DisposeAsync();
        if (_apps is not null)
            await _apps.DisposeAsync();
        if (_configuration is not null)
            await _configuration.DisposeAsync();
        if (_nodes is not null)
            await _nodes.DisposeAsync();
        if (_etcd is not null)
            await _etcd.DisposeAsync();
        _token?.Dispose();
        Loggers.Dispose();
    }

    private async Task OpenAsync(CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Options.Data);
        // Locked from here on: two processes never share a folder.
        _token = NodeToken.Open(Path.Combine(Options.Data, "node.token"));
        var clusterKeys = ClusterKeyFile.Read(Options.ClusterKeyFile);
        _etcd = new EtcdClient(
            new EtcdOptions
            {
                Endpoints = Options.Etcd.Endpoints, User = Options.Etcd.User,
                Password = Options.Etcd.PasswordFile.Length > 0 ? KeyFile.Read(Options.Etcd.PasswordFile) ?? "" : "",
                CaFile = Options.Etcd.CaFile, CertificateFile = Options.Etcd.CertificateFile, KeyFile = Options.Etcd.KeyFile, HeartbeatKey = Keys.Heartbeat,
            }, Time, Loggers.CreateLogger<EtcdClient>());
        _configuration = await ConfigurationSource.StartAsync(
            _etcd, Keys, new ConfigurationSourceOptions { LastGoodPath = Path.Combine(Options.Data, "configuration.last"), Check = _role.Check }, Time,
            Loggers.CreateLogger<ConfigurationSource>(), cancellationToken);
        _apps = await EtcdAppDirectory.StartAsync(
            _etcd, Keys, new AppCipher(clusterKeys), new AppDirectoryOptions { LastGoodPath = Path.Combine(Options.Data, "apps.last") }, Time,
            Loggers.CreateLogger<EtcdAppDirectory>(), cancellationToken);
        Layout = await ClusterLayout.StartAsync(
            _etcd, Keys, Path.Combine(Options.Data, "layout.last"), Time, Loggers.CreateLogger<NodeHost>(), cancellationToken);
        _nodes = new NodeDirectory(_etcd, Keys, Loggers.CreateLogger<NodeDirectory>());
        var rpc = new RpcOptions
        {
            NodeId = $"{RoleName}/{Options.Node}", EndPoints = [IPEndPoint.Parse(Options.Links.Listen)], ClusterKeys = [.. clusterKeys],
            Tls = Options.Links.CertificateFile.Length > 0
                ? new RpcTlsOptions { Certificate = X509Certificate2.CreateFromPemFile(Options.Links.CertificateFile) }
                : null,
        };
        _links = new NodeLinks(rpc, Loggers.CreateLogger<NodeLinks>(), Time);
        _server = new RpcServer(rpc, Methods, Loggers.CreateLogger<RpcServer>(), Time);
    }

    private async Task RegisterAsync(CancellationToken cancellationToken)
    {
        var endPoint = IPEndPoint.Parse(Options.Links.Listen);
        _self = new NodeInfo
        {
            Id = Options.Node, Role = RoleName, Group = Options.Group, Port = endPoint.Port,
            Host = Options.Links.Advertise.Length > 0 ? Options.Links.Advertise : endPoint.Address.ToString(),
            Version = Assembly.GetEntryAssembly()?.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "",
        };
        _lease = new NodeRegistration(_etcd!, Keys, _self, _token!, new RegistrationOptions { LeaseTime = Options.Etcd.LeaseTime, LeaseMargin = Options.Etcd.LeaseTime / 10 });
        _lease.Replaced += duplicate =>
        {
            Health.Fail(duplicate.Message);
            _ended.TrySetException(duplicate);
        };
        await _lease.Registered.WaitAsync(cancellationToken);
        await _nodes!.Ready.WaitAsync(cancellationToken);
        _serving = new ServingLease(_lease, Options.Etcd.LeaseTime, Time);
        _rolePeers = new RolePeers(_nodes!, _lease, RoleName, Options.Node);
        _peers = new ServingPeers(_rolePeers, _serving);
    }

    private WebApplication BuildWeb()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.AddConsoleLog().SetMinimumLevel(Enum.Parse<LogLevel>(Options.Log));
        // The process has its own signals: the host must not begin to stop before clients were told.
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        var inner = IPEndPoint.Parse(Options.Http.Listen);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(inner);
            if (_role.PublicHttp is { } address)
                kestrel.Listen(IPEndPoint.Parse(address));
        });
        builder.Services.AddSingleton(Time).AddSingleton(Health).AddSingleton<Metrics.PrometheusText>();
        _role.AddServices(builder.Services);
        var web = builder.Build();
        web.UseProblems();
        web.UseDoors(inner.Port);
        web.MapHealthAndMetrics();
        _role.Map(web);
        return web;
    }

    private void Announce()
    {
        Console.WriteLine($"{RoleName} {Options.Node} of cluster {Options.Cluster} is ready (incarnation {_lease!.LastIncarnation})");
        foreach (var line in _role.Describe())
            Console.WriteLine("  " + line);
    }
}
