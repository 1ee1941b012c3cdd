using System.Diagnostics;
using System.Globalization;
using PushSystem.Loadtest.Api;

namespace PushSystem.Loadtest.Reports;

/// <summary>
/// Memory and CPU of the server under test: from /proc when its process id is known, else memory from /metrics, else nothing.
/// </summary>
internal sealed class ServerProbe(int pid, PushApi? api)
{
    private static readonly string[] MemoryMetrics =
        ["process_resident_memory_bytes", "push_process_resident_bytes", "push_process_working_set_bytes", "dotnet_process_memory_working_set_bytes", "process_memory_usage_bytes"];

    /// <summary>Resident bytes, 0 when not known.</summary>
    public async Task<long> ResidentBytesAsync(CancellationToken cancellationToken)
    {
        if (pid > 0)
            return OperatingSystem.IsLinux() ? ProcStatus("VmRSS:") * 1_024 : WorkingSet();
        if (api is null)
            return 0;
        try
        {
            return FromMetrics(await api.GetAsync("/metrics", cancellationToken));
        }
        catch (LoadtestException)
        {
            return 0; // The number is a courtesy; a server without /metrics can be measured all the same.
        }
    }

    /// <summary>CPU seconds used by the server so far, 0 when not known.</summary>
    public double CpuSeconds()
    {
        if (pid == 0)
            return 0;
        try
        {
            using var process = Process.GetProcessById(pid);
            return process.TotalProcessorTime.TotalSeconds;
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidOperationException)
        {
            return 0;
        }
    }

    /// <summary>The first memory metric that is known, summed over its labels.</summary>
    internal static long FromMetrics(string text)
    {
        foreach (var name in MemoryMetrics)
        {
            double sum = 0;
            var found = false;
            foreach (var line in text.AsSpan().EnumerateLines())
            {
                if (!line.StartsWith(name, StringComparison.Ordinal) || line.Length == name.Length || line[name.Length] is not (' ' or '{'))
                    continue;
                var rest = line[(line.LastIndexOf('}') + 1)..];
                rest = (rest.Length == line.Length ? line[name.Length..] : rest).Trim();
                var space = rest.IndexOf(' ');
                if (double.TryParse(space < 0 ? rest : rest[..space], NumberStyles.Float, CultureInfo.InvariantCulture, out var value))
                    (sum, found) = (sum + value, true);
            }
            if (found)
                return (long)sum;
        }
        return 0;
    }

    private long WorkingSet()
    {
        try
        {
            using var process = Process.GetProcessById(pid);
            return process.WorkingSet64;
        }
        catch (ArgumentException)
        {
            return 0;
        }
    }

    private long ProcStatus(string field)
    {
        try
        {
            foreach (var line in File.ReadLines($"/proc/{pid}/status"))
            {
                if (line.StartsWith(field, StringComparison.Ordinal))
                    return long.Parse(line.AsSpan(field.Length).Trim().TrimEnd("kB").Trim(), CultureInfo.InvariantCulture);
            }
        }
        catch (IOException)
        {
            // The process has ended; the run itself will tell.
        }
        return 0;
    }
}
