using PushSystem.Cluster.Nodes;

namespace PushSystem.Cluster.Tests.Nodes;

public sealed class NodeTokenTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("push-token-").FullName;

    [Fact]
    public void A_process_started_anew_on_the_same_folder_recognises_the_one_before()
    {
        string before;
        using (var first = Open())
            before = first.Process;
        using var second = Open();
        Assert.NotEqual(before, second.Process);
        Assert.True(second.IsOwn(before));
        Assert.True(second.IsOwn(second.Process));
    }

    [Fact]
    public void Another_folder_is_another_node()
    {
        using var first = Open();
        using var second = NodeToken.Open(Path.Combine(_folder, "other"));
        using var third = NodeToken.Unsaved();
        Assert.False(second.IsOwn(first.Process));
        Assert.False(second.IsOwn(third.Process));
        Assert.False(second.IsOwn(""));
    }

    [Fact]
    public void A_second_process_on_the_same_folder_is_refused()
    {
        using var first = Open();
        Assert.Contains("in use", Assert.Throws<IOException>(Open).Message);
    }

    [Theory]
    [InlineData("short")]
    [InlineData("zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz")]
    public void A_file_that_holds_something_else_is_left_alone(string content)
    {
        var path = Path.Combine(_folder, "node-token");
        File.WriteAllText(path, content);
        Assert.Contains(path, Assert.Throws<InvalidDataException>(Open).Message);
        Assert.Equal(content, File.ReadAllText(path));
    }

    [Fact]
    public void The_published_name_does_not_tell_the_secret()
    {
        string process;
        using (var token = Open())
            process = token.Process;
        Assert.DoesNotContain(process[..16], File.ReadAllText(Path.Combine(_folder, "node-token")));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private NodeToken Open() => NodeToken.Open(Path.Combine(_folder, "node-token"));
}
