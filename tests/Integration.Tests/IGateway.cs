namespace PushSystem.Integration.Tests;

/// <summary>What a test's devices need of a gateway, whether it is one process or a cluster.</summary>
internal interface IGateway
{
    /// <summary>Where devices ask for addresses.</summary>
    Uri Dispatcher { get; }

    /// <summary>A folder for the devices' states, removed with the gateway.</summary>
    string Data { get; }

    /// <summary>A ticket for a user of the app "demo".</summary>
    Task<string> Ticket(string user);
}
