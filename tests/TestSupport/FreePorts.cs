using System.Net;
using System.Net.Sockets;

namespace PushSystem.TestSupport;

/// <summary>Ports that are free now, below the ephemeral range, so that no outgoing connection takes them in between.</summary>
public static class FreePorts
{
    private const int Lowest = 12_000, Highest = 32_000;
    private static readonly HashSet<int> Given = [];

    /// <summary>Returns <paramref name="count"/> different ports, none of them given before by this process.</summary>
    public static int[] Take(int count)
    {
        var ports = new int[count];
        lock (Given)
        {
            for (var i = 0; i < count;)
            {
                var port = Random.Shared.Next(Lowest, Highest);
                if (!Given.Add(port) || !IsFree(port))
                    continue;
                ports[i++] = port;
            }
        }
        return ports;
    }

    private static bool IsFree(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
