namespace PushSystem.TestSupport.Servers;

/// <summary>
/// A real server of Debian's packages as a child process with a throw-away folder, on ports that stay the same over restarts.
/// Owned by the test; DisposeAsync kills exactly this process and removes the folder.
/// </summary>
public abstract class ServerProcess : IAsyncDisposable
{
    private ChildProcess? _process;

    /// <summary>Where its data lies; removed by DisposeAsync.</summary>
    public string Folder { get; } = Directory.CreateTempSubdirectory("push-server-").FullName;

    /// <summary>Process id.</summary>
    public int Id => Process.Id;

    /// <summary>Everything it printed since it was started last.</summary>
    public string Output => Process.Output;

    private ChildProcess Process => _process ?? throw new InvalidOperationException("the server was not started");

    /// <summary>The command line.</summary>
    protected abstract (string File, string[] Arguments) Command { get; }

    /// <summary>The line that says that it serves.</summary>
    protected abstract bool IsReady(string line);

    /// <summary>SIGKILL, and waits until it is gone.</summary>
    public Task Kill() => Process.Kill();

    /// <summary>SIGSTOP: it stays silent, its sockets stay open.</summary>
    public void Stop() => Process.Signal(19);

    /// <summary>SIGCONT.</summary>
    public void Continue() => Process.Signal(18);

    /// <summary>Kills it if it runs and starts it with the same data on the same port.</summary>
    public async Task RestartAsync()
    {
        if (_process is not null)
            await _process.Kill();
        _process?.Dispose();
        var (file, arguments) = Command;
        _process = ChildProcess.Start(Find(file), arguments, Folder);
        await _process.Line(IsReady, $"{file} serves");
    }

    /// <summary>Kills it, removes its data and starts it empty on the same port.</summary>
    public virtual async Task WipeAndRestartAsync()
    {
        await Kill();
        foreach (var folder in Directory.EnumerateDirectories(Folder))
            Directory.Delete(folder, recursive: true);
        foreach (var file in Directory.EnumerateFiles(Folder))
            File.Delete(file);
        await RestartAsync();
    }

    /// <inheritdoc/>
    public virtual ValueTask DisposeAsync()
    {
        _process?.Dispose();
        if (Directory.Exists(Folder))
            Directory.Delete(Folder, recursive: true);
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    private protected static string Find(string file)
    {
        string[] folders = [.. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':'), "/usr/sbin", "/usr/local/sbin"];
        return folders.Select(folder => Path.Combine(folder, file)).FirstOrDefault(File.Exists)
            ?? throw new InvalidOperationException(
                $"{file} is needed by this test: apt-get install etcd-server redis-server mariadb-server (./test.sh does it)");
    }
}
