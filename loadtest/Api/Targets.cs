using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using PushSystem.Loadtest.Clients;
using PushSystem.Protocol;

namespace PushSystem.Loadtest.Api;

/// <summary>What is tested and with which rights.</summary>
internal sealed record TargetSettings(Uri Api, string ApiKey, string App, Uri Dispatcher, string? Room, TicketKey? TicketKey);

/// <summary>Finds out where clients connect and with which tickets. Static; any thread.</summary>
internal static class Targets
{
    /// <summary>The rooms: those given ("host:port,host:port"), else what the dispatcher answers.</summary>
    public static async Task<IReadOnlyList<IPEndPoint>> RoomsAsync(
        TargetSettings target, string user, TimeProvider time, CancellationToken cancellationToken)
    {
        var rooms = new List<IPEndPoint>();
        if (target.Room is { } given)
        {
            foreach (var item in given.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
                rooms.Add(await ResolveAsync(item, cancellationToken));
            return rooms;
        }
        using var dispatcher = new PushApi(target.Dispatcher, "", 1, TimeSpan.FromSeconds(10), time);
        var answer = await dispatcher.GetAsync(
            $"/v1/route?app={Uri.EscapeDataString(target.App)}&user={Uri.EscapeDataString(user)}&device=loadtest", cancellationToken);
        using var json = JsonDocument.Parse(answer);
        foreach (var address in json.RootElement.GetProperty("addresses").EnumerateArray())
        {
            rooms.Add(await ResolveAsync(string.Create(CultureInfo.InvariantCulture,
                $"{address.GetProperty("host").GetString()}:{address.GetProperty("port").GetInt32()}"), cancellationToken));
        }
        return rooms.Count > 0 ? rooms : throw new LoadtestException($"the dispatcher {target.Dispatcher} gave no address");
    }

    /// <summary>
    /// A source of tickets by client number: signed here when the key is known, else fetched from the API beforehand.
    /// </summary>
    public static async Task<Func<int, ReadOnlyMemory<byte>>> TicketsAsync(
        TargetSettings target, ClientSettings clients, PushApi api, TimeProvider time, Action<int> progress, CancellationToken cancellationToken)
    {
        if (target.TicketKey is { } key)
            return number => Ticket.Issue(key, target.App, clients.UserOf(number), time.GetUtcNow().AddDays(1));
        var tickets = new byte[clients.Clients][];
        var next = -1;
        var done = 0;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async _ =>
        {
            var answer = new byte[4_096];
            for (var number = Interlocked.Increment(ref next); number < tickets.Length; number = Interlocked.Increment(ref next))
            {
                tickets[number] = await api.TicketAsync(clients.UserOf(number), answer, cancellationToken);
                progress(Interlocked.Increment(ref done));
            }
        }));
        return number => tickets[number];
    }

    private static async Task<IPEndPoint> ResolveAsync(string room, CancellationToken cancellationToken)
    {
        var colon = room.LastIndexOf(':');
        if (colon <= 0 || !ushort.TryParse(room.AsSpan(colon + 1), CultureInfo.InvariantCulture, out var port) || port == 0)
            throw new LoadtestException($"'{room}' is not host:port");
        var host = room[..colon].Trim('[', ']');
        if (IPAddress.TryParse(host, out var address))
            return new IPEndPoint(address, port);
        try
        {
            var addresses = await Dns.GetHostAddressesAsync(host, cancellationToken);
            return new IPEndPoint(addresses.FirstOrDefault(item => item.AddressFamily == AddressFamily.InterNetwork) ?? addresses[0], port);
        }
        catch (SocketException exception)
        {
            throw new LoadtestException($"{host}: {exception.Message}");
        }
    }
}
