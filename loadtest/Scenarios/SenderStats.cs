using PushSystem.Loadtest.Reports;

namespace PushSystem.Loadtest.Scenarios;

/// <summary>Counts of one sender: written by it alone, read by anyone (slightly old).</summary>
internal sealed class SenderStats
{
    public long Sent;
    public long Accepted;
    public long Refused;
    public long Unknown;
    /// <summary>Transient messages of which the API said that they were delivered.</summary>
    public long Delivered;
    public long Requests;

    private readonly Dictionary<string, long> _errors = new(StringComparer.Ordinal);

    /// <summary>From the intended start of the request to its answer.</summary>
    public LatencyHistogram ApiLatency { get; } = new();

    /// <summary>What the API said when it did not accept; at most so many different texts are kept.</summary>
    public void Count(string error)
    {
        const int mostTexts = 20;
        if (_errors.ContainsKey(error) || _errors.Count < mostTexts)
            _errors[error] = _errors.GetValueOrDefault(error) + 1;
    }

    /// <summary>Only after the sender has stopped.</summary>
    public IReadOnlyDictionary<string, long> Errors => _errors;
}
