namespace PushSystem.Protocol.Tests.Hostile;

/// <summary>Hostile bodies of frames that a server sends: what a client has to stand from a false or broken server.</summary>
internal static class HostileServerFrames
{
    private const ulong Max63 = long.MaxValue;
    private const ulong SeqOver = (1UL << 53) + 5;

    public static IEnumerable<HostileInput> All =>
    [
        Bad("LOGIN_OK", "empty-body", new Raw(), "an online state without settings"),
        Bad("LOGIN_OK", "connection-id-cut-off", new Raw().Bytes(1, 0, 1, 2, 3, 4, 5, 6, 7), "an id that is read behind the end"),
        Bad("LOGIN_OK", "resume-ticket-256-bytes", new Raw().Bytes(1, 0).Fill(0, 8).Number(256).Fill(1, 256), "an unbounded ticket in the client's store"),
        Bad("LOGIN_OK", "resume-ticket-length-63-bits", new Raw().Bytes(1, 0).Fill(0, 8).Number(Max63), "a buffer of the size that the peer names"),
        Bad("LOGIN_OK", "resume-seconds-2-to-31", new Raw().Bytes(1, 0).Fill(0, 9).Number(1UL << 31), "a time that turns negative"),
        Bad("LOGIN_OK", "heartbeat-min-over-a-day", new Raw().Bytes(1, 0).Fill(0, 10).Number(86_401), "a client that never pings"),
        Bad("LOGIN_OK", "heartbeat-max-over-a-day", new Raw().Bytes(1, 0).Fill(0, 11).Number(86_401), "a client that never pings"),
        Bad("LOGIN_OK", "heartbeat-default-over-a-day", new Raw().Bytes(1, 0).Fill(0, 12).Number(86_401), "a client that never pings"),
        Bad("LOGIN_OK", "ack-count-2-to-31", new Raw().Bytes(1, 0).Fill(0, 13).Number(1UL << 31), "a count that turns negative"),
        Bad("LOGIN_OK", "ack-delay-2-to-32", new Raw().Bytes(1, 0).Fill(0, 14).Number(1UL << 32), "a delay that is 0 after a cast"),
        Bad("LOGIN_OK", "frame-limit-63-bits", new Raw().Bytes(1, 0).Fill(0, 15).Number(Max63), "a limit that turns negative and refuses everything"),
        Bad("LOGIN_OK", "server-time-beyond-every-date", new Raw().Bytes(1, 0).Fill(0, 16).Number(253_402_300_800_000).Fill(0, 3), "a time that no date type holds"),
        Bad("LOGIN_OK", "17-addresses", Settings(17).Fill(0, 17), "an unbounded address list"),
        Bad("LOGIN_OK", "address-count-63-bits", Settings(Max63), "an array of the size that the peer names"),
        Bad("LOGIN_OK", "address-empty", Settings(1).Bytes(0, 0), "an address without a host"),
        Bad("LOGIN_OK", "address-256-bytes", Settings(1).Text(new string('h', 256)).Bytes(0), "an unbounded address"),
        Bad("LOGIN_OK", "address-with-a-line-break", Settings(1).Text("h:1\r\n").Bytes(0), "an address that forges log lines"),
        Bad("LOGIN_OK", "17-results", Settings(0).Number(17).Fill(0, 17 * 6), "more results than bindings can be asked for"),
        Bad("LOGIN_OK", "result-count-63-bits", Settings(0).Number(Max63), "an array of the size that the peer names"),
        Bad("LOGIN_OK", "result-cut-off", Settings(0).Number(1).Bytes(0, 0, 1), "default positions for missing ones"),
        Bad("LOGIN_OK", "result-index-16384", Settings(0).Number(1).Bytes(0).Number(16_384).Fill(0, 4), "an index beyond every table"),
        Bad("LOGIN_OK", "results-missing", Settings(0), "a LOGIN_OK that answers no binding"),

        Bad("RESUME_OK", "empty-body", new Raw(), "an empty answer that reads as success"),
        Bad("RESUME_OK", "success-without-settings", new Raw().Bytes(0), "a resumed connection without settings"),
        Bad("RESUME_OK", "success-with-cut-settings", new Raw().Bytes(0, 1, 0, 1, 2, 3), "half the settings"),

        Bad("BIND_OK", "empty-body", new Raw(), "an answer to no request"),
        Bad("BIND_OK", "code-missing", new Raw().Bytes(1), "a missing code that reads as success"),
        Bad("BIND_OK", "index-16384", new Raw().Bytes(1, 0).Number(16_384).Fill(0, 4), "an index beyond every table"),
        Bad("BIND_OK", "epoch-2-to-32", new Raw().Bytes(1, 0, 0).Number(1UL << 32).Fill(0, 3), "an epoch that is 0 after a cast"),
        Bad("BIND_OK", "seq-over-the-limit", new Raw().Bytes(1, 0, 0, 1).Number(SeqOver).Fill(0, 2), "last + 1 is not exact"),
        Bad("UNBIND_OK", "empty-body", new Raw(), "a missing index that reads as 0"),

        Bad("PUSH", "empty-body", new Raw(), "a message for nobody"),
        Bad("PUSH", "flags-missing", new Raw().Bytes(0), "a missing byte that reads as 0"),
        Bad("PUSH", "index-16384", new Raw().Number(16_384).Bytes(0, 1), "an index beyond every table"),
        Bad("PUSH", "index-63-bits", new Raw().Number(Max63).Bytes(0, 1), "an index that turns negative"),
        Bad("PUSH", "reserved-bit-7", new Raw().Bytes(0, 0x80, 1), "a flag of a later version is overlooked"),
        Bad("PUSH", "both-reserved-bits", new Raw().Bytes(0, 0xC0, 1), "flags of a later version are overlooked"),
        Bad("PUSH", "transient-with-reserved-bit", new Raw().Bytes(0, 0x42), "the check is skipped for transient messages"),
        Bad("PUSH", "seq-over-the-limit", new Raw().Bytes(0, 0).Number(SeqOver), "last + 1 is not exact"),
        Bad("PUSH", "seq-64-bits", new Raw().Bytes(0, 0).Number(ulong.MaxValue), "a seq that turns negative"),
        Bad("PUSH", "seq-cut-off", new Raw().Bytes(0, 0, 0x80), "a number without its end"),
        Bad("PUSH", "expiry-announced-but-missing", new Raw().Bytes(0, 4, 1), "a missing expiry that reads as 1970"),
        Bad("PUSH", "expiry-cut-off", new Raw().Bytes(0, 4, 1, 0xFF), "an expiry made from payload bytes"),
        Bad("PUSH", "expiry-64-bits", new Raw().Bytes(0, 4, 1).Number(ulong.MaxValue), "an expiry that turns negative"),
        Bad("PUSH", "transient-expiry-missing", new Raw().Bytes(0, 6), "a missing expiry that reads as 1970"),

        Bad("RESET", "empty-body", new Raw(), "a RESET of nothing"),
        Bad("RESET", "epoch-2-to-32", new Raw().Bytes(0).Number(1UL << 32).Bytes(1, 1), "an epoch that is 0 after a cast"),
        Bad("RESET", "first-seq-63-bits", new Raw().Bytes(0, 1).Number(Max63).Bytes(1), "a stream that can never go on"),
        Bad("RESET", "reason-missing", new Raw().Bytes(0, 1, 1), "a missing reason that reads as 'none'"),
        Bad("RESET", "stream-key-too-high", new Raw().Number(32_768).Bytes(1, 1, 1), "an index beyond every table"),

        Bad("SEND_OK", "empty-body", new Raw(), "an answer to no message"),
        Bad("SEND_OK", "code-missing", new Raw().Bytes(0, 1), "a missing code that reads as stored: the message is lost"),
        Bad("SEND_OK", "retry-after-missing", new Raw().Bytes(0, 1, 63), "a missing time that reads as never"),
        Bad("SEND_OK", "retry-after-2-to-31", new Raw().Bytes(0, 1, 63).Number(1UL << 31), "a time that turns negative"),

        Bad("FETCH_OK", "count-over-the-limit", new Raw().Bytes(1, 0).Number(1_001).Bytes(1, 1), "a count that was not asked for"),
        Bad("FETCH_OK", "top-missing", new Raw().Bytes(1, 0, 0, 1), "a missing top that reads as an empty stream"),
        Bad("FETCH_OK", "next-seq-63-bits", new Raw().Bytes(1, 0, 0).Number(Max63).Bytes(0), "the next FETCH is out of range"),
        Bad("NOTIFY", "top-missing", new Raw().Bytes(0, 1), "half a NOTIFY"),
        Bad("NOTIFY", "epoch-63-bits", new Raw().Bytes(0).Number(Max63).Bytes(1), "an epoch that loses bits by a cast"),
        Bad("SUBSCRIBE_OK", "code-missing", new Raw().Bytes(1), "a missing code that reads as success"),

        Bad("PONG", "min-without-max", new Raw().Bytes(60), "half the limits"),
        Bad("PONG", "max-over-a-day", new Raw().Bytes(60).Number(86_401), "a client that never pings"),

        Bad("GOAWAY", "empty-body", new Raw(), "a GOAWAY without a reason"),
        Bad("GOAWAY", "scope-16385", new Raw().Bytes(30).Number(16_385).Bytes(0, 0, 0), "an index beyond every table"),
        Bad("GOAWAY", "scope-2-to-32", new Raw().Bytes(30).Number(1UL << 32).Bytes(0, 0, 0), "a binding's end that becomes the connection's"),
        Bad("GOAWAY", "advice-missing", new Raw().Bytes(30, 0), "a missing advice that reads as 'stay'"),
        Bad("GOAWAY", "window-2-to-31", new Raw().Bytes(32, 0, 2).Number(1UL << 31).Bytes(0), "a window that turns negative"),
        Bad("GOAWAY", "addresses-missing", new Raw().Bytes(32, 0, 2, 0), "a cut frame that reads as 'no addresses'"),
        Bad("GOAWAY", "address-not-utf8", new Raw().Bytes(32, 0, 2, 0, 1).TextOf(0xFF), "an address that becomes another one"),

        Bad("ERROR", "empty-body", new Raw(), "an error without a code"),
        Bad("ERROR", "text-missing", new Raw().Bytes(1, 1, 0), "a cut frame"),
        Bad("ERROR", "text-length-63-bits", new Raw().Bytes(1, 1, 0).Number(Max63), "a buffer of the size that the peer names"),
        Bad("ERROR", "text-with-an-escape", new Raw().Bytes(1, 1, 0).Text("\u001b]0;owned\u0007"), "a text that drives the user's terminal"),
        Bad("ERROR", "window-63-bits", new Raw().Bytes(1, 2).Number(Max63).Bytes(0), "a client that stays away for ever"),
    ];

    private static HostileInput Bad(string frame, string name, Raw body, string prevents) =>
        new($"{frame}: {name}", frame, body.Frame(Vectors.VectorCodec.ByName[frame].Opcode), ReasonCode.BadFrame, prevents);

    // version, features, connection id, no ticket, nine numbers of 0, then the addresses' count.
    private static Raw Settings(ulong addresses) => new Raw().Bytes(1, 0).Fill(0, 8).Fill(0, 10).Number(addresses);
}
