using Xunit;

namespace PushSystem.Architecture.Tests;

/// <summary>Holds the rule of docs/architecture.md: references run one way and no component knows another.</summary>
public sealed class ReferenceDirectionTests
{
    // Lower may not reference higher. Contracts stand beside Transport: interfaces over protocol types.
    private static readonly string[] Layers = ["Protocol", "Transport", "Rpc", "Cluster", "Hosting", "Remote"];
    // Drivers of foreign servers: they know nothing of ours.
    private static readonly string[] Leaves = ["Redis", "MariaDb"];
    private static readonly string[] Components = ["Dispatcher", "Room", "Register", "Coordinator", "Saver", "Center"];

    public static TheoryData<string> AllProjects => [.. Repository.Projects];

    [Fact]
    public void Every_component_is_a_project_of_its_own_folder()
    {
        foreach (var component in Components)
            Assert.Contains($"{component}/{component}.csproj", Repository.Projects);
    }

    [Theory]
    [MemberData(nameof(AllProjects))]
    public void References_run_one_way(string project)
    {
        foreach (var reference in Repository.References(project))
        {
            Assert.True(File.Exists(Path.Combine(Repository.Root, reference)), $"{project} references {reference}, which does not exist");
            Assert.True(Allowed(project, reference), $"{project} must not reference {reference}");
        }
    }

    [Theory]
    [MemberData(nameof(AllProjects))]
    public void Every_project_is_in_the_solution(string project) =>
        Assert.Contains(project.Replace('/', '\\'), Repository.Read("PushSystem.sln"));

    [Theory]
    [InlineData("Room/Room.csproj", "Saver/Saver.csproj")]
    [InlineData("Client/Client.csproj", "Shared/Contracts/Contracts.csproj")]
    [InlineData("loadtest/Loadtest.csproj", "Client/Client.csproj")]
    [InlineData("Shared/Protocol/Protocol.csproj", "Shared/Transport/Transport.csproj")]
    [InlineData("Shared/Contracts/Contracts.csproj", "Shared/Hosting/Hosting.csproj")]
    [InlineData("Shared/Redis/Redis.csproj", "Shared/Hosting/Hosting.csproj")]
    [InlineData("Shared/Hosting/Hosting.csproj", "Shared/Redis/Redis.csproj")]
    [InlineData("Shared/Cluster/Cluster.csproj", "Shared/Remote/Remote.csproj")]
    [InlineData("Center/Center.csproj", "Standalone/Standalone.csproj")]
    public void The_rule_refuses_a_wrong_reference(string project, string reference) => Assert.False(Allowed(project, reference));

    private static bool Allowed(string project, string reference)
    {
        var from = project.Split('/');
        var to = reference.Split('/');
        if (from[0] == "tests")
            return true;
        if (to[0] == "tests" || to[0] is "Standalone" or "loadtest")
            return false;
        // The operator's tool speaks with etcd alone.
        if (from[0] == "deploy")
            return to[0] == "Shared";
        if (from[0] == "Standalone")
            return true;
        if (from[0] is "Client" or "loadtest")
            return to[0] == "Shared" && to[1] is "Protocol" or "Transport";
        if (Components.Contains(from[0]))
            return to[0] == "Shared";
        // Shared/*
        if (to[0] != "Shared")
            return false;
        if (Leaves.Contains(from[1]) || Leaves.Contains(to[1]))
            return false;
        if (from[1] == "Contracts")
            return to[1] == "Protocol";
        if (to[1] == "Contracts")
            return from[1] is "Hosting" or "Cluster" or "Remote";
        return Array.IndexOf(Layers, to[1]) < Array.IndexOf(Layers, from[1]) && Array.IndexOf(Layers, to[1]) >= 0;
    }
}
