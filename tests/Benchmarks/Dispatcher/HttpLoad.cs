using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace PushSystem.Benchmarks.Dispatcher;

/// <summary>
/// A pipelining HTTP client that costs little beside what it measures: each connection writes the same requests as one piece and
/// waits for the answers. The answers are parsed once; afterwards their bytes are counted, which works because equal requests have
/// answers of equal length here, and a check of each piece's beginning tells when they do not.
/// Owns its connections and threads; one thread runs it.
/// </summary>
internal sealed class HttpLoad : IDisposable
{
    private static readonly byte[] Success = Encoding.ASCII.GetBytes("HTTP/1.1 200 OK\r\n");

    private readonly Lane[] _lanes;
    private readonly int _depth;

    public HttpLoad(IPEndPoint server, int connections, int depth, Func<int, string> path)
    {
        _depth = depth;
        _lanes = [.. Enumerable.Range(0, connections).Select(i => new Lane(server, depth, n => path(i * depth + n)))];
    }

    /// <summary>Requests per second over the given time.</summary>
    public double Run(TimeSpan time)
    {
        var started = TimeProvider.System.GetTimestamp();
        var threads = _lanes.Select(lane => new Thread(() => lane.Run(started, time))).ToArray();
        foreach (var thread in threads)
            thread.Start();
        foreach (var thread in threads)
            thread.Join();
        var elapsed = TimeProvider.System.GetElapsedTime(started);
        foreach (var lane in _lanes)
            lane.ThrowIfFailed();
        return _lanes.Sum(lane => lane.Batches) * (double)_depth / elapsed.TotalSeconds;
    }

    public void Dispose()
    {
        foreach (var lane in _lanes)
            lane.Dispose();
    }

    private sealed class Lane : IDisposable
    {
        private readonly Socket _socket;
        private readonly byte[] _requests;
        private readonly byte[] _buffer = new byte[64 * 1024];
        private readonly int _answerBytes;
        private Exception? _failure;

        public Lane(IPEndPoint server, int depth, Func<int, string> path)
        {
            _socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            _socket.Connect(server);
            _requests = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(0, depth).Select(i => $"GET {path(i)} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: load\r\n\r\n")));
            _socket.Send(_requests);
            _answerBytes = Measure(depth);
        }

        public long Batches { get; private set; }

        public void Run(long started, TimeSpan time)
        {
            Batches = 0;
            try
            {
                while (TimeProvider.System.GetElapsedTime(started) < time)
                {
                    _socket.Send(_requests);
                    for (var received = 0; received < _answerBytes;)
                    {
                        var read = _socket.Receive(_buffer.AsSpan(0, Math.Min(_buffer.Length, _answerBytes - received)));
                        if (read == 0 || (received == 0 && !_buffer.AsSpan().StartsWith(Success)))
                            throw new InvalidOperationException("the answers are not those of the first round");
                        received += read;
                    }
                    Batches++;
                }
            }
            catch (Exception exception)
            {
                _failure = exception;
            }
        }

        public void ThrowIfFailed()
        {
            if (_failure is not null)
                throw new InvalidOperationException("a connection of the load generator failed", _failure);
        }

        public void Dispose() => _socket.Dispose();

        // Reads the answers to one piece and returns their bytes.
        private int Measure(int depth)
        {
            var text = new StringBuilder();
            for (var (answers, at) = (0, 0); ;)
            {
                while (NextEnd(text.ToString(), at) is { } end)
                {
                    if (!text.ToString(at, Success.Length).StartsWith("HTTP/1.1 200 OK\r\n", StringComparison.Ordinal))
                        throw new InvalidOperationException($"the endpoint answered {text.ToString(at, end - at)}");
                    at = end;
                    if (++answers == depth)
                        return at;
                }
                var read = _socket.Receive(_buffer);
                text.Append(Encoding.Latin1.GetString(_buffer, 0, read));
            }
        }

        private static int? NextEnd(string text, int from)
        {
            const string Length = "Content-Length: ";
            var body = text.IndexOf("\r\n\r\n", from, StringComparison.Ordinal) + 4;
            if (body < 4)
                return null;
            var at = text.IndexOf(Length, from, StringComparison.Ordinal);
            if (at < 0 || at > body)
                throw new InvalidOperationException("an answer has no length");
            var length = int.Parse(text.AsSpan((at + Length.Length)..text.IndexOf('\r', at)), CultureInfo.InvariantCulture);
            return body + length <= text.Length ? body + length : null;
        }
    }
}
