namespace PushSystem.Center.Bodies;

/// <summary>Requests that take no settings come without a body or with an empty object. Pure.</summary>
internal static class EmptyBody
{
    /// <summary>Throws the problem to answer with when the body says something.</summary>
    public static void Check(ReadOnlySpan<byte> body)
    {
        if (body.IsEmpty)
            return;
        var reader = JsonFields.Open(body);
        if (JsonFields.Next(ref reader))
            throw JsonFields.Unknown(ref reader, FieldPath.Root, "no members");
        JsonFields.Close(ref reader);
    }
}
