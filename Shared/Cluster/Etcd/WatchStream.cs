using System.Buffers;
using System.IO.Pipelines;

namespace PushSystem.Cluster.Etcd;

/// <summary>
/// The lines of a watch's reply, cut at line ends wherever the network cut them. One reader; disposed by whoever opened it, which
/// closes the connection and so ends the watch at etcd.
/// </summary>
internal sealed class WatchStream(HttpResponseMessage response, Stream body, string? token, int maxLineBytes) : IAsyncDisposable
{
    private readonly PipeReader _reader = PipeReader.Create(body, new StreamPipeReaderOptions(bufferSize: 16 << 10));

    // How much of what is buffered is known to hold no line end: a long line is searched once.
    private long _searched;

    /// <summary>The token it was opened with.</summary>
    public string? Token => token;

    /// <summary>The last line returned had no end: the stream is over, and the line may be half of one.</summary>
    public bool IsEnded { get; private set; }

    /// <summary>
    /// The next line without its end; null at the end of the stream. What stands behind the last line end is returned too, as a last
    /// line: older gateways write the error that ends a stream without one. Throws IOException, HttpRequestException and
    /// <see cref="FormatException"/> (line too long).
    /// </summary>
    public async ValueTask<byte[]?> ReadLineAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var read = await _reader.ReadAsync(cancellationToken);
            var buffer = read.Buffer;
            if (buffer.Slice(_searched).PositionOf((byte)'\n') is { } end)
            {
                _searched = 0;
                var line = buffer.Slice(0, end).ToArray();
                _reader.AdvanceTo(buffer.GetPosition(1, end));
                if (line.Length == 0)
                    continue;
                return line;
            }
            if (read.IsCompleted)
            {
                var rest = buffer.ToArray();
                _searched = 0;
                IsEnded = true;
                _reader.AdvanceTo(buffer.End);
                return rest.Length > 0 ? rest : null;
            }
            if (buffer.Length > maxLineBytes)
                throw new FormatException($"a line is longer than Etcd:MaxReplyBytes ({maxLineBytes})");
            _searched = buffer.Length;
            _reader.AdvanceTo(buffer.Start, buffer.End);
        }
    }

    public async ValueTask DisposeAsync()
    {
        response.Dispose();
        await _reader.CompleteAsync();
    }
}
