using System.Globalization;
using System.Net;
using System.Reflection;

namespace PushSystem.Standalone;

/// <summary>What a newcomer sees: addresses, keys, and curl lines that work as they stand.</summary>
internal static class Banner
{
    public static void Print(StandaloneOptions options, string? apiKey, string adminPath, TimeSpan startTime)
    {
        var version = typeof(Banner).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0];
        var api = $"http://{Shown(options.Api)}";
        var lines = new List<string>
        {
            string.Create(CultureInfo.InvariantCulture, $"PushSystem {version} is ready ({startTime.TotalSeconds:0.00} s)"),
            $"  API         {api}   documentation: {api}/docs   metrics: {api}/metrics",
            $"  Dispatcher  http://{Shown(options.Dispatcher)}",
            $"  Room        {options.AdvertisedHost}:{options.Room.Port}",
            $"  Data        {options.Data}   admin key: {adminPath}",
        };
        if (apiKey is not null)
        {
            var call = $"-H 'Authorization: Bearer {apiKey}' -H 'Content-Type: application/json'";
            if (options.DemoDevice)
                lines.Add($"  Demo        the user \"{DemoApp.User}\" of the app \"{DemoApp.Id}\" is online on the demo device");
            lines.AddRange(
            [
                "",
                "Push to the demo user, to everybody, and ask who is there:",
                $"  curl -s -X POST {api}/v1/messages {call} -d '{{\"user\":\"{DemoApp.User}\",\"text\":\"hello\"}}'",
                $"  curl -s -X POST {api}/v1/broadcasts {call} -d '{{\"text\":\"hello, everybody\"}}'",
                $"  curl -s {api}/v1/users/{DemoApp.User} -H 'Authorization: Bearer {apiKey}'",
            ]);
        }
        lines.Add("");
        lines.Add("Ctrl+C drains and stops.");
        Console.WriteLine(string.Join(Environment.NewLine, lines));
    }

    private static IPEndPoint Shown(IPEndPoint endPoint) =>
        endPoint.Address.Equals(IPAddress.Any) || endPoint.Address.Equals(IPAddress.IPv6Any)
            ? new IPEndPoint(IPAddress.Loopback, endPoint.Port)
            : endPoint;
}
