using System.Security.Cryptography;
using System.Text;

namespace PushSystem.Redis;

/// <summary>A Lua script with a name and version for logs and metrics ("append.1"). Immutable; make one per script, statically.</summary>
public sealed class RedisScript(string name, string body)
{
    /// <summary>Name and version: a script whose meaning changes gets a new one.</summary>
    public string Name { get; } = name;

    /// <summary>The Lua text.</summary>
    public string Body { get; } = body;

    /// <summary>SHA-1 of the text in lower case, as redis names it.</summary>
    public string Hash { get; } = Convert.ToHexStringLower(SHA1.HashData(Encoding.UTF8.GetBytes(body)));

    /// <summary>The same as bytes.</summary>
    internal byte[] HashBytes { get; } = SHA1.HashData(Encoding.UTF8.GetBytes(body));
}
