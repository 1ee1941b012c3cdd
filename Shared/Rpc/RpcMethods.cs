using Google.Protobuf;
using PushSystem.Rpc.Server;

namespace PushSystem.Rpc;

/// <summary>
/// The methods that a node answers. Filled by one thread before the server starts, read by all afterwards; nothing to dispose.
/// </summary>
public sealed class RpcMethods : IRpcMethods
{
    private MethodEntry?[] _entries = [];
    private bool _closed;

    /// <inheritdoc/>
    /// <remarks>Throws <see cref="InvalidOperationException"/> after the server has started.</remarks>
    public void Add<TRequest, TReply>(RpcMethod<TRequest, TReply> method, Func<TRequest, RpcContext, ValueTask<TReply>> handler)
        where TRequest : class, IMessage<TRequest>, IBufferMessage
        where TReply : class, IMessage<TReply>, IBufferMessage =>
        Add(new MethodEntry<TRequest, TReply>(method, handler));

    /// <summary>Adds a method whose messages are bytes. Throws as <see cref="Add{TRequest, TReply}"/>.</summary>
    public void Add(RpcRawMethod method, RpcRawHandler handler) => Add(new RawMethodEntry(method, handler));

    /// <summary>Null when there is no such method.</summary>
    internal MethodEntry? Find(ushort id) => id < _entries.Length ? _entries[id] : null;

    /// <summary>Nothing may be added any more.</summary>
    internal void Close() => _closed = true;

    private void Add(MethodEntry entry)
    {
        if (_closed)
            throw new InvalidOperationException($"method '{entry.Name}' cannot be added: the server has started");
        if (Find(entry.Id) is { } taken)
            throw new ArgumentException($"method number {entry.Id} of '{entry.Name}' is taken by '{taken.Name}'");
        if (entry.Id >= _entries.Length)
            Array.Resize(ref _entries, entry.Id + 1);
        _entries[entry.Id] = entry;
    }
}
