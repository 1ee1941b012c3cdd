using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace PushSystem.TestSupport;

/// <summary>
/// A process started by a test, with its output as lines to wait for. Owned by the test; Dispose kills exactly this process and
/// its children. Lines may be read from any thread.
/// </summary>
public sealed class ChildProcess : IDisposable
{
    private readonly Process _process;
    private readonly ConcurrentQueue<string> _lines = new();
    private readonly Lock _lock = new();
    private readonly List<(Func<string, bool> Match, TaskCompletionSource<string> Found)> _waiting = [];

    private ChildProcess(Process process) => _process = process;

    /// <summary>Process id.</summary>
    public int Id => _process.Id;

    /// <summary>Everything printed so far.</summary>
    public string Output => string.Join('\n', _lines);

    /// <summary>Starts <paramref name="file"/>.</summary>
    public static ChildProcess Start(
        string file, IEnumerable<string> arguments, string? folder = null, IEnumerable<KeyValuePair<string, string>>? environment = null)
    {
        var info = new ProcessStartInfo(file)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
            WorkingDirectory = folder ?? "",
        };
        foreach (var argument in arguments)
            info.ArgumentList.Add(argument);
        foreach (var (name, value) in environment ?? [])
            info.Environment[name] = value;
        var process = new Process { StartInfo = info };
        var child = new ChildProcess(process);
        process.OutputDataReceived += (_, e) => child.Take(e.Data);
        process.ErrorDataReceived += (_, e) => child.Take(e.Data);
        process.Start();
        process.StandardInput.Close();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return child;
    }

    /// <summary>The first line, already printed or still to come, that matches.</summary>
    public async Task<string> Line(Func<string, bool> match, string phase)
    {
        var found = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            if (_lines.FirstOrDefault(match) is { } line)
                return line;
            _waiting.Add((match, found));
        }
        var exited = _process.WaitForExitAsync();
        var done = await Task.WhenAny(found.Task, exited, Task.Delay(TimeSpan.FromSeconds(120)));
        if (done == found.Task || found.Task.IsCompletedSuccessfully)
            return await found.Task;
        throw new InvalidOperationException(
            $"'{phase}' was not printed ({(exited.IsCompleted ? $"the process ended with {_process.ExitCode}" : "in 120 s")}); output:\n{Output}");
    }

    /// <summary>Waits for the end and returns the exit code.</summary>
    public async Task<int> Exit(TimeSpan limit)
    {
        using var source = new CancellationTokenSource(limit);
        try
        {
            await _process.WaitForExitAsync(source.Token);
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"the process did not end within {limit.TotalSeconds:0} s; output:\n{Output}");
        }
        return _process.ExitCode;
    }

    /// <summary>Sends a signal: 2 = interrupt, 9 = kill, 15 = terminate, 19 = stop, 18 = continue.</summary>
    public void Signal(int number) => kill(_process.Id, number);

    /// <summary>The same to the whole process group that the process leads (started with setsid).</summary>
    public void SignalGroup(int number) => kill(-_process.Id, number);

    /// <summary>SIGKILL, and waits until the process is gone.</summary>
    public async Task Kill()
    {
        Signal(9);
        await _process.WaitForExitAsync();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            _process.WaitForExit();
        }
        _process.Dispose();
    }

    private void Take(string? line)
    {
        if (line is null)
            return;
        lock (_lock)
        {
            _lines.Enqueue(line);
            for (var i = _waiting.Count - 1; i >= 0; i--)
            {
                if (!_waiting[i].Match(line))
                    continue;
                _waiting[i].Found.TrySetResult(line);
                _waiting.RemoveAt(i);
            }
        }
    }

    [DllImport("libc", SetLastError = true)]
    private static extern int kill(int pid, int signal);
}
