using System.Buffers.Text;
using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Net;
using System.Text;
using PushSystem.Loadtest.Api;
using PushSystem.Loadtest.Scenarios;
using PushSystem.Protocol;

namespace PushSystem.Loadtest.CommandLine;

/// <summary>The options that every scenario has, and their way into <see cref="CommonSettings"/>.</summary>
internal sealed class SharedOptions
{
    private const int ApiKeySecretLength = 43;

    private readonly Option<string> _api = new("--api") { Description = "The HTTP API.", DefaultValueFactory = _ => "http://127.0.0.1:7400" };
    private readonly Option<string> _apiKey = new("--api-key") { Description = "The app's API key, pk_<app>_<secret>.", DefaultValueFactory = _ => "" };
    private readonly Option<string?> _app = new("--app") { Description = "The app. Default: the one in the API key." };
    private readonly Option<string> _dispatcher = new("--dispatcher") { Description = "Where rooms are asked for.", DefaultValueFactory = _ => "http://127.0.0.1:7401" };
    private readonly Option<string?> _room = new("--room") { Description = "host:port[,host:port…]: connect there instead of asking the dispatcher." };
    private readonly Option<string?> _ticketKey = new("--ticket-key") { Description = "id:secret (base64url): sign tickets here instead of asking the API for each." };
    private readonly Option<int> _clients = Number("--clients", "Number of clients, one user each.", 100, 1, 1_000_000);
    private readonly Option<int> _ramp = Number("--ramp", "New connections per second, 0 = at once.", 2_000, 0, 1_000_000);
    private readonly Option<string> _prefix = new("--user-prefix") { Description = "Users are this and a number; 1 to 40 of A-Z a-z 0-9 - _ .", DefaultValueFactory = _ => "load-" };
    private readonly Option<int> _offset = Number("--offset", "Number of the first user, for several processes side by side.", 0, 0, 1_000_000_000);
    private readonly Option<int> _loops = Number("--loops", "Threads that serve the clients. Default: one for every four processors.", Math.Max(1, Environment.ProcessorCount / 4), 1, 64);
    private readonly Option<int> _heartbeat = Number("--heartbeat", "Seconds between PINGs, 0 = the server's default.", 0, 0, ProtocolLimits.MaxIntervalSeconds);
    private readonly Option<bool> _ackNow = new("--ack-now") { Description = "Acknowledge after every read instead of by the server's count and delay." };
    private readonly Option<string?> _source = new("--source") { Description = "Local addresses for the connections, comma-separated. Default: 127.0.0.2 and up where one has too few ports." };
    private readonly Option<double> _loginTimeout = Seconds("--login-timeout", "Seconds for connect and login.", 30, 0.1, 3_600);
    private readonly Option<double> _timeout = Seconds("--timeout", "Seconds for an API request; beyond it the message's fate is unknown.", 10, 0.1, 3_600);
    private readonly Option<double> _drain = Seconds("--drain", "Seconds that accepted messages may still arrive after the last was sent.", 30, 0, 3_600);
    private readonly Option<int> _serverPid = Number("--server-pid", "The server's process: its memory and CPU are measured. 0 = memory from /metrics.", 0, 0, int.MaxValue);
    private readonly Option<string?> _json = new("--json") { Description = "Write the report to this file." };
    private readonly Option<bool> _plain = new("--plain") { Description = "A line each second instead of the live table." };

    /// <summary>Adds all of them to a scenario's command.</summary>
    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_api, _apiKey, _app, _dispatcher, _room, _ticketKey, _clients, _ramp, _prefix, _offset, _loops,
            _heartbeat, _ackNow, _source, _loginTimeout, _timeout, _drain, _serverPid, _json, _plain])
            command.Options.Add(option);
    }

    /// <summary>After <see cref="Check"/> found nothing.</summary>
    public CommonSettings Read(ParseResult result)
    {
        var apiKey = result.GetValue(_apiKey)!;
        return new CommonSettings
        {
            Target = new TargetSettings(new Uri(result.GetValue(_api)!), apiKey, result.GetValue(_app) ?? AppOf(apiKey)!,
                new Uri(result.GetValue(_dispatcher)!), result.GetValue(_room), ParseTicketKey(result.GetValue(_ticketKey))),
            Clients = result.GetValue(_clients),
            Ramp = result.GetValue(_ramp),
            UserPrefix = result.GetValue(_prefix)!,
            Offset = result.GetValue(_offset),
            Loops = result.GetValue(_loops),
            HeartbeatSeconds = result.GetValue(_heartbeat),
            ImmediateAck = result.GetValue(_ackNow),
            Sources = [.. (result.GetValue(_source) ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries).Select(item => IPAddress.Parse(item))],
            LoginTimeout = TimeSpan.FromSeconds(result.GetValue(_loginTimeout)),
            ApiTimeout = TimeSpan.FromSeconds(result.GetValue(_timeout)),
            Drain = TimeSpan.FromSeconds(result.GetValue(_drain)),
            ServerPid = result.GetValue(_serverPid),
            JsonFile = result.GetValue(_json),
            Plain = result.GetValue(_plain),
        };
    }

    /// <summary>An option with its bounds in the help and in the error.</summary>
    public static Option<int> Number(string name, string description, int standard, int least, int most) =>
        Bounded(new Option<int>(name) { Description = Describe(description, least, most), DefaultValueFactory = _ => standard }, least, most);

    /// <inheritdoc cref="Number"/>
    public static Option<double> Seconds(string name, string description, double standard, double least, double most) =>
        Bounded(new Option<double>(name) { Description = Describe(description, least, most), DefaultValueFactory = _ => standard }, least, most);

    private static Option<T> Bounded<T>(Option<T> option, T least, T most)
        where T : struct, IComparable<T>
    {
        option.Validators.Add(result =>
        {
            // A value that is not a number at all has its own error already.
            if (result.Errors.Any() || result.Tokens.Count == 0 || !TryValue<T>(result, out var value))
                return;
            if (value.CompareTo(least) < 0 || value.CompareTo(most) > 0)
                result.AddError(string.Create(CultureInfo.InvariantCulture, $"{option.Name} {value} is out of range: {least} to {most} are allowed."));
        });
        return option;
    }

    private static bool TryValue<T>(OptionResult result, out T value)
        where T : struct
    {
        try
        {
            value = result.GetValueOrDefault<T>();
            return true;
        }
        catch (InvalidOperationException)
        {
            value = default;
            return false;
        }
    }

    private static string Describe<T>(string description, T least, T most) =>
        string.Create(CultureInfo.InvariantCulture, $"{description} ({least} to {most})");

    /// <summary>What is wrong with values that were parsed well each for itself; empty when nothing is.</summary>
    public IReadOnlyList<string> Check(ParseResult result, bool sends)
    {
        var errors = new List<string>();
        CheckUrl(result, _api, errors);
        CheckUrl(result, _dispatcher, errors);
        var apiKey = result.GetValue(_apiKey)!;
        var app = result.GetValue(_app) ?? AppOf(apiKey);
        if (app is null)
            errors.Add("--app is needed: --api-key is missing or does not have the form pk_<app>_<43 characters>.");
        else if (Encoding.UTF8.GetByteCount(app) is 0 or > ProtocolLimits.MaxAppBytes)
            errors.Add($"--app: 1 to {ProtocolLimits.MaxAppBytes} bytes are allowed.");
        if (result.GetValue(_ticketKey) is { } ticketKey)
        {
            try
            {
                ParseTicketKey(ticketKey);
            }
            catch (FormatException exception)
            {
                errors.Add($"--ticket-key: {exception.Message}");
            }
        }
        else if (apiKey.Length == 0)
        {
            errors.Add("--api-key or --ticket-key is needed: clients log in with tickets.");
        }
        if (sends && apiKey.Length == 0)
            errors.Add("--api-key is needed to send.");
        var prefix = result.GetValue(_prefix)!;
        if (prefix.Length is 0 or > 40 || !prefix.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'))
            errors.Add("--user-prefix: 1 to 40 of A-Z a-z 0-9 - _ . are allowed.");
        foreach (var item in (result.GetValue(_source) ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            if (!IPAddress.TryParse(item, out _))
                errors.Add($"--source: '{item}' is not an IP address.");
        }
        return errors;
    }

    private static void CheckUrl(ParseResult result, Option<string> option, List<string> errors)
    {
        if (!Uri.TryCreate(result.GetValue(option), UriKind.Absolute, out var url) || (url.Scheme != "http" && url.Scheme != "https"))
            errors.Add($"{option.Name}: '{result.GetValue(option)}' is not an http or https URL.");
    }

    /// <summary>The app inside "pk_app_secret"; the secret may contain '_', so it is cut off by its length.</summary>
    internal static string? AppOf(string apiKey)
    {
        const string prefix = "pk_";
        var end = apiKey.Length - ApiKeySecretLength - 1;
        return apiKey.StartsWith(prefix, StringComparison.Ordinal) && end > prefix.Length && apiKey[end] == '_' ? apiKey[prefix.Length..end] : null;
    }

    internal static TicketKey? ParseTicketKey(string? text)
    {
        if (text is null)
            return null;
        var colon = text.IndexOf(':');
        if (colon < 1 || !uint.TryParse(text.AsSpan(0, colon), NumberStyles.None, CultureInfo.InvariantCulture, out var id))
            throw new FormatException("the form is id:secret, the id a number.");
        var secret = text.AsSpan(colon + 1);
        if (secret.IsEmpty || !Base64Url.IsValid(secret))
            throw new FormatException("the secret is not base64url.");
        return new TicketKey(id, Base64Url.DecodeFromChars(secret));
    }
}
