namespace PushSystem.Pushctl;

/// <summary>How pushctl ends; scripts depend on it.</summary>
internal static class ExitCodes
{
    /// <summary>Done.</summary>
    public const int Done = 0;
    /// <summary>Invalid, refused or not there; nothing was changed.</summary>
    public const int Refused = 1;
    /// <summary>etcd gave no answer; what a change came to is then not known.</summary>
    public const int Unreachable = 2;
}

/// <summary>The command cannot do what was asked; the message says why.</summary>
internal sealed class RefusalException(string message) : Exception(message);
