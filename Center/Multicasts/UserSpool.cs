using System.Buffers;
using System.Text;
using PushSystem.Center.Bodies;

namespace PushSystem.Center.Multicasts;

/// <summary>
/// Users on their way from a body to the store, first in, first out, as UTF-8 in rented pieces that count against the budget of bodies.
/// One request owns and disposes it.
/// </summary>
internal sealed class UserSpool(BodyBudget budget) : IDisposable
{
    private const int PieceBytes = 64 * 1024;

    private readonly Queue<(byte[] Bytes, int Length)> _full = new();
    private byte[]? _last;
    private int _written;
    private byte[]? _first;
    private int _firstLength;
    private int _read;

    public int Count { get; private set; }

    /// <summary>Adds a user of at most 255 bytes.</summary>
    public void Add(ReadOnlySpan<byte> user)
    {
        if (_last is null || _written + 1 + user.Length > PieceBytes)
        {
            if (!budget.TryTake(PieceBytes))
                throw Problems.BodiesOverloaded();
            if (_last is not null)
                _full.Enqueue((_last, _written));
            (_last, _written) = (ArrayPool<byte>.Shared.Rent(PieceBytes), 0);
        }
        _last[_written] = checked((byte)user.Length);
        user.CopyTo(_last.AsSpan(_written + 1));
        _written += 1 + user.Length;
        Count++;
    }

    /// <summary>Takes at most so many out.</summary>
    public string[] Take(int max)
    {
        var users = new string[Math.Min(max, Count)];
        for (var i = 0; i < users.Length; i++)
        {
            if (_first is null || _read == _firstLength)
                NextPiece();
            var length = _first![_read];
            users[i] = Encoding.UTF8.GetString(_first, _read + 1, length);
            _read += 1 + length;
        }
        Count -= users.Length;
        return users;
    }

    public void Dispose()
    {
        Return(ref _first);
        Return(ref _last);
        while (_full.TryDequeue(out var piece))
        {
            byte[]? bytes = piece.Bytes;
            Return(ref bytes);
        }
        Count = 0;
    }

    private void NextPiece()
    {
        Return(ref _first);
        if (_full.TryDequeue(out var piece))
            (_first, _firstLength) = piece;
        else
            (_first, _firstLength, _last) = (_last, _written, null);
        _read = 0;
    }

    private void Return(ref byte[]? piece)
    {
        if (piece is null)
            return;
        ArrayPool<byte>.Shared.Return(piece);
        budget.Release(PieceBytes);
        piece = null;
    }
}
