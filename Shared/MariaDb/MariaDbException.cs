using System.Data.Common;

namespace PushSystem.MariaDb;

/// <summary>
/// The server refused, or did not answer. <see cref="Number"/> is the server's or the client library's error number (below 2000, or from 3000: the
/// server's; 2000 to 2999: the connection failed), or one of the constants here. After a failed connection the outcome of a write is unknown.
/// </summary>
public sealed class MariaDbException : DbException
{
    /// <summary>The command was not answered within its timeout; its connection was ended.</summary>
    public const int CommandTimedOut = -1;

    /// <summary>No connection within the connection timeout, or all of the pool are in use.</summary>
    public const int ConnectTimedOut = -2;

    /// <summary>The statement is larger than the server's max_allowed_packet; it was not sent.</summary>
    public const int PacketTooLarge = 1153;

    /// <summary>A unique key exists already.</summary>
    public const int DuplicateKey = 1062;

    internal MariaDbException(string message, int number, string sqlState, Exception? inner = null)
        : base(message, inner)
    {
        Number = number;
        SqlState = sqlState;
    }

    /// <summary>Error number.</summary>
    public int Number { get; }

    /// <inheritdoc/>
    public override string SqlState { get; }

    /// <summary>The same may work later: connection lost or refused, lock not had, deadlock, server shutting down or read-only.</summary>
    public override bool IsTransient => IsConnectionLost || Number is
        1040 or 1041 or 1042 or 1043 or 1135 or 1184 or 1203 or 1205 or 1213 or 1226 or 1290 or 1836 or 1969 or 3024 or 4031;

    /// <summary>The connection is gone or was never there.</summary>
    public bool IsConnectionLost => Number is CommandTimedOut or ConnectTimedOut or 1053 or 1927 or (>= 1152 and <= 1161 and not PacketTooLarge)
        or 2002 or 2003 or 2004 or 2005 or 2006 or 2012 or 2013 or 2026 or 2027 or 2055;
}
