namespace PushSystem.Transport.Tests;

/// <summary>The far end of a connection.</summary>
internal interface IPeer : IDisposable
{
    Task SendAsync(ReadOnlyMemory<byte> bytes);

    Task<byte[]> ReadAsync(int count);

    /// <summary>Reads and forgets until the engine's end of the connection shows. Gives the number of bytes.</summary>
    Task<long> ReadToEndAsync();

    void StopReading();

    void ContinueReading();

    void Close();

    void Reset();
}
