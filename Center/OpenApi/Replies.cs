using System.ComponentModel;

namespace PushSystem.Center.OpenApi;

// Answers that are written by hand, in a form that the OpenAPI document is made from. The other answers are Endpoints/Views.cs.

internal sealed record MessageReplyView(
    [property: Description("Name of the message in the user's mailbox, such as m1-17.")] string Id,
    string User, string Level, DateTime AcceptedAt, DateTime? ExpiresAt, string State);

internal sealed record TransientReplyView(
    string User, string Level, [property: Description("A room took it for the user's connection.")] bool Delivered);

internal sealed record BatchReplyView(string Level, int Count, IReadOnlyList<BatchMessageView> Messages);

internal sealed record BatchMessageView(
    string User,
    [property: Description("With the levels stored and durable.")] string? Id,
    [property: Description("With the level transient.")] bool? Delivered);

internal sealed record ProblemView(
    [property: Description("/problems/ and a stable name.")] string Type, string Title, int Status, string Detail,
    [property: Description("The field that is wrong, such as messages[3].user.")] string? Field,
    [property: Description("What would be allowed.")] string? Limit);
