using System.Globalization;

namespace PushSystem.Transport.Sockets;

/// <summary>
/// How many connections the process's limit of open files leaves room for. The runtime needs descriptors of its own whenever it
/// starts a thread or loads an assembly, and it ends the process when there are none: accepting must stop well before.
/// </summary>
internal static class DescriptorLimit
{
    private const string LimitsFile = "/proc/self/limits";
    private const int SmallestReserve = 100;
    private const int LargestReserve = 1000;

    /// <summary>The lower of <paramref name="wanted"/> and what the process may open; <paramref name="wanted"/> where that cannot be read.</summary>
    public static int Allowed(int wanted) => File.Exists(LimitsFile) ? Allowed(wanted, File.ReadLines(LimitsFile)) : wanted;

    /// <param name="wanted">Connections asked for.</param>
    /// <param name="limits">The lines of the kernel's table of limits.</param>
    internal static int Allowed(int wanted, IEnumerable<string> limits)
    {
        const string Name = "Max open files";
        foreach (var line in limits)
        {
            if (!line.StartsWith(Name, StringComparison.Ordinal))
                continue;
            var soft = line[Name.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault();
            if (!long.TryParse(soft, NumberStyles.None, CultureInfo.InvariantCulture, out var files))
                return wanted;
            var reserve = Math.Clamp(files / 10, SmallestReserve, LargestReserve);
            return (int)Math.Clamp(files - reserve, 1, wanted);
        }
        return wanted;
    }
}
