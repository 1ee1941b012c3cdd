using PushSystem.Contracts;

namespace PushSystem.Saver.Tests.Contracts;

/// <summary>A backend that also keeps claims and multicasts.</summary>
public interface IWorkStoreUnderTest : IStoreUnderTest
{
    IWorkClaims Claims { get; }
    IMulticasts Multicasts { get; }

    /// <summary>Rows of a table: "multicasts" or "multicast_parts".</summary>
    Task<long> CountRowsAsync(string table);
}

/// <summary>What the suites over such a backend share.</summary>
public abstract class WorkSuite : ContractSuite
{
    protected IWorkStoreUnderTest WorkStore => (IWorkStoreUnderTest)Store;

    protected IWorkClaims Claims => WorkStore.Claims;

    protected IMulticasts Multicasts => WorkStore.Multicasts;
}
