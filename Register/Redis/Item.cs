using PushSystem.Contracts;

namespace PushSystem.Register.Redis;

/// <summary>A user or an entry on its way to redis: checked, and with its place there. The entry is null in a lookup.</summary>
internal readonly record struct Item(UserKey Key, int Bucket, byte[] Field, SessionEntry? Entry);
