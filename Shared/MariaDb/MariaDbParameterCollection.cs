using System.Collections;
using System.Data.Common;

namespace PushSystem.MariaDb;

/// <summary>The parameters of a command. Names are compared without the @ and without regard to case. Not thread-safe.</summary>
public sealed class MariaDbParameterCollection : DbParameterCollection
{
    // Beyond this many a search through the list costs more than the table.
    private const int Few = 8;

    private readonly List<MariaDbParameter> _items = [];
    private readonly Dictionary<string, int> _byName = new(StringComparer.OrdinalIgnoreCase);
    private int _indexed;

    /// <inheritdoc/>
    public override int Count => _items.Count;

    /// <inheritdoc/>
    public override object SyncRoot => ((ICollection)_items).SyncRoot;

    /// <summary>Adds a parameter with a value.</summary>
    public MariaDbParameter AddWithValue(string name, object? value)
    {
        var parameter = new MariaDbParameter(name, value);
        _items.Add(parameter);
        return parameter;
    }

    /// <inheritdoc/>
    public override int Add(object value)
    {
        _items.Add(Own(value));
        return _items.Count - 1;
    }

    /// <inheritdoc/>
    public override void AddRange(Array values)
    {
        ArgumentNullException.ThrowIfNull(values);
        foreach (var value in values)
            Add(value!);
    }

    /// <inheritdoc/>
    public override void Clear()
    {
        _items.Clear();
        Forget();
    }

    /// <inheritdoc/>
    public override bool Contains(object value) => IndexOf(value) >= 0;

    /// <inheritdoc/>
    public override bool Contains(string value) => IndexOf(value) >= 0;

    /// <inheritdoc/>
    public override void CopyTo(Array array, int index) => ((ICollection)_items).CopyTo(array, index);

    /// <inheritdoc/>
    public override IEnumerator GetEnumerator() => _items.GetEnumerator();

    /// <inheritdoc/>
    public override int IndexOf(object value) => value is MariaDbParameter parameter ? _items.IndexOf(parameter) : -1;

    /// <inheritdoc/>
    public override int IndexOf(string parameterName) => Find(Bare(parameterName)) is { } found ? _items.IndexOf(found) : -1;

    /// <inheritdoc/>
    public override void Insert(int index, object value)
    {
        _items.Insert(index, Own(value));
        Forget();
    }

    /// <inheritdoc/>
    public override void Remove(object value)
    {
        _items.Remove(Own(value));
        Forget();
    }

    /// <inheritdoc/>
    public override void RemoveAt(int index)
    {
        _items.RemoveAt(index);
        Forget();
    }

    /// <inheritdoc/>
    public override void RemoveAt(string parameterName) => RemoveAt(Require(parameterName));

    internal MariaDbParameter? Find(ReadOnlySpan<char> name)
    {
        if (_items.Count <= Few)
            return Search(name);
        for (; _indexed < _items.Count; _indexed++)
            _byName.TryAdd(_items[_indexed].BareName.ToString(), _indexed);
        // A parameter may have got another name since it was entered.
        return _byName.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(name, out var index)
            && _items[index].BareName.Equals(name, StringComparison.OrdinalIgnoreCase)
            ? _items[index]
            : Search(name);
    }

    /// <inheritdoc/>
    protected override DbParameter GetParameter(int index) => _items[index];

    /// <inheritdoc/>
    protected override DbParameter GetParameter(string parameterName) => _items[Require(parameterName)];

    /// <inheritdoc/>
    protected override void SetParameter(int index, DbParameter value)
    {
        _items[index] = Own(value);
        Forget();
    }

    /// <inheritdoc/>
    protected override void SetParameter(string parameterName, DbParameter value) => SetParameter(Require(parameterName), value);

    private static ReadOnlySpan<char> Bare(string name) => name.StartsWith('@') ? name.AsSpan(1) : name;

    private static MariaDbParameter Own(object value) => value as MariaDbParameter
        ?? throw new InvalidCastException($"Only a {nameof(MariaDbParameter)} can be added, not {value?.GetType().ToString() ?? "null"}.");

    private MariaDbParameter? Search(ReadOnlySpan<char> name)
    {
        foreach (var item in _items)
        {
            if (item.BareName.Equals(name, StringComparison.OrdinalIgnoreCase))
                return item;
        }
        return null;
    }

    private int Require(string name) => IndexOf(name) is var index and >= 0
        ? index
        : throw new ArgumentException($"There is no parameter '{name}'.", nameof(name));

    private void Forget()
    {
        _byName.Clear();
        _indexed = 0;
    }
}
