using PushSystem.Loadtest.Checks;
using PushSystem.Loadtest.Reports;

namespace PushSystem.Loadtest.Scenarios;

/// <summary>Puts the checker's verdict into a report. Static.</summary>
internal static class CheckReport
{
    public static void Add(RunReport report, CheckVerdict verdict)
    {
        report.Add("received", verdict.Counts.Received);
        report.Add("lost", verdict.Lost);
        report.Add("covered_by_reset", verdict.Covered);
        report.Add("duplicates", verdict.Counts.Duplicates);
        report.Add("reordered", verdict.Reordered);
        report.Add("stream_gaps", verdict.StreamGaps);
        report.Add("foreign", verdict.Counts.Foreign);
        report.Add("unexpected", verdict.Unexpected);
        report.Add("stale", verdict.Counts.Stale);
        Check(report, verdict.Lost, "accepted messages did not arrive");
        Check(report, verdict.Counts.Duplicates, "messages reached an application twice");
        Check(report, verdict.Reordered, "messages came out of order");
        Check(report, verdict.StreamGaps, "gaps in streams were not announced by a RESET");
        Check(report, verdict.Counts.Foreign, "messages of another user or app arrived");
        Check(report, verdict.Unexpected, "messages arrived that were not sent, not accepted or are not the harness's");
        foreach (var example in verdict.Examples)
            report.Fail(example);
        if (verdict.Counts.Received == 0)
            report.Fail("nothing was delivered");
    }

    private static void Check(RunReport report, long count, string what)
    {
        if (count > 0)
            report.Fail($"{count} {what}");
    }
}
