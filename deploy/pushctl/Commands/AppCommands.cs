using System.CommandLine;
using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using PushSystem.Cluster.Apps;
using PushSystem.Contracts;

namespace PushSystem.Pushctl.Commands;

/// <summary>apps list, show, seal. Secrets and hashes of keys are never shown.</summary>
internal sealed class AppCommands(PushctlCommand root)
{
    private readonly Argument<string> _id = new("ID") { Description = "the app's id" };

    public Command Make()
    {
        var apps = new Command("apps", "The apps (tenants); needs the cluster key");
        var list = new Command("list", "List the apps");
        root.Handle(list, ListAsync);
        apps.Subcommands.Add(list);
        var show = new Command("show", "Show one app, without its secrets") { _id };
        root.Handle(show, ShowAsync);
        apps.Subcommands.Add(show);
        var seal = new Command("seal", "Encrypt with the current cluster key what is still under the one before, so that that can be removed from the key file");
        root.Handle(seal, SealAsync);
        apps.Subcommands.Add(seal);
        return apps;
    }

    private async Task<int> ListAsync(CommandRun run, CancellationToken cancellationToken)
    {
        using var cipher = Cipher(run);
        var (apps, unreadable) = await new AppStore(run.Etcd, run.Keys, cipher).ReadAllAsync(cancellationToken);
        foreach (var (id, reason) in unreadable)
            run.Output.Note($"{id} is left out: {reason}");
        run.Output.List(
            [.. apps.Select(app => new
            {
                app.Id, app.Name, app.Enabled, app.Revision, CreatedAt = DateTimeOffset.FromUnixTimeMilliseconds(app.CreatedAt), ApiKeys = app.ApiKeys.Count,
                TicketKeys = app.TicketKeys.Count, Webhook = app.Webhook?.Url,
            })],
            ("id", app => app.Id), ("name", app => app.Name), ("enabled", app => app.Enabled ? "yes" : "no"),
            ("revision", app => app.Revision.ToString(CultureInfo.InvariantCulture)),
            ("created", app => app.CreatedAt.UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)),
            ("API keys", app => app.ApiKeys.ToString(CultureInfo.InvariantCulture)),
            ("ticket keys", app => app.TicketKeys.ToString(CultureInfo.InvariantCulture)), ("webhook", app => app.Webhook ?? ""));
        return ExitCodes.Done;
    }

    private async Task<int> ShowAsync(CommandRun run, CancellationToken cancellationToken)
    {
        var id = run.Arguments.GetValue(_id)!;
        using var cipher = Cipher(run);
        var app = await new AppStore(run.Etcd, run.Keys, cipher).FindAsync(id, cancellationToken) ?? throw new RefusalException($"there is no app '{id}'");
        run.Output.Json(new
        {
            app.Id, app.Name, app.Enabled, app.Revision, CreatedAt = Time(app.CreatedAt),
            ApiKeys = app.ApiKeys.Select(key => new { key.Id, CreatedAt = Time(key.CreatedAt) }),
            TicketKeys = app.TicketKeys.Select(key => new { key.Id, CreatedAt = Time(key.CreatedAt) }),
            Webhook = app.Webhook is { } webhook ? new { webhook.Url, webhook.TypeUrls, webhook.Presence, Secrets = webhook.Secrets.Count } : null,
            app.Limits,
        });
        return ExitCodes.Done;
    }

    private async Task<int> SealAsync(CommandRun run, CancellationToken cancellationToken)
    {
        using var cipher = Cipher(run);
        var count = await new AppStore(run.Etcd, run.Keys, cipher).SealAnewAsync(cancellationToken);
        run.Output.Line($"{count} {(count == 1 ? "app was" : "apps were")} encrypted anew");
        return ExitCodes.Done;
    }

    private AppCipher Cipher(CommandRun run) => new(ClusterKeyFile.Read(root.Options.ClusterKeyFile(run.Arguments)));

    private static DateTimeOffset Time(long unixMilliseconds) => DateTimeOffset.FromUnixTimeMilliseconds(unixMilliseconds);
}
