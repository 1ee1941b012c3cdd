namespace PushSystem.Protocol.Tests.Hostile;

/// <summary>Hostile bodies of frames that a client sends: what a server has to stand.</summary>
internal static class HostileClientFrames
{
    private const ulong Max63 = long.MaxValue;
    private const ulong SeqOver = (1UL << 53) + 5;

    public static IEnumerable<HostileInput> All =>
    [
        Bad("LOGIN", "device-length-63-bits", new Raw().Number(Max63).Bytes(1, 2, 3), "a length that is allocated before it is compared"),
        Bad("LOGIN", "device-length-64-bits", new Raw().Number(ulong.MaxValue).Bytes(1, 2, 3), "a length that turns negative as a long"),
        Bad("LOGIN", "device-length-2-to-31", new Raw().Number(1UL << 31).Bytes(1, 2, 3), "a length that turns negative as an int"),
        Bad("LOGIN", "device-length-2-to-32-plus-1", new Raw().Number((1UL << 32) + 1).Bytes(1, 2, 3), "a length that is 1 after a cast to 32 bits"),
        Bad("LOGIN", "device-length-not-shortest", new Raw().Bytes(0x81, 0x00, (byte)'d', 0, 0, 0, 0, 0), "one LOGIN has two encodings"),
        Bad("LOGIN", "device-with-a-zero-byte", Login(device: "a\0b"), "an id that ends at its zero in another language"),
        Bad("LOGIN", "device-with-a-tab", Login(device: "a\tb"), "an id that splits a log line"),
        Bad("LOGIN", "device-with-an-escape", Login(device: "\u001b[2J"), "an id that clears an operator's screen"),
        Bad("LOGIN", "device-with-a-carriage-return", Login(device: "a\rb"), "an id that forges log lines and headers"),
        Bad("LOGIN", "device-with-next-line", Login(device: "a\u0085b"), "U+0085 is a line break to some readers"),
        Bad("LOGIN", "device-with-the-last-c1-control", Login(device: "a\u009f"), "a control character of two bytes"),
        Bad("LOGIN", "device-lone-continuation-byte", new Raw().TextOf(0x80).Fill(0, 5), "bytes that are not UTF-8 become another id"),
        Bad("LOGIN", "device-cut-two-byte-character", new Raw().TextOf((byte)'a', 0xC3).Fill(0, 5), "a cut character is completed by the next field"),
        Bad("LOGIN", "device-cut-c1-lead-byte", new Raw().TextOf(0xC2).Fill(0, 5), "looking behind the end of the text"),
        Bad("LOGIN", "device-cut-four-byte-character", new Raw().TextOf(0xF0, 0x9F, 0x98).Fill(0, 5), "a cut character is replaced"),
        Bad("LOGIN", "device-overlong-zero", new Raw().TextOf(0xC0, 0x80).Fill(0, 5), "a hidden zero byte"),
        Bad("LOGIN", "device-overlong-slash", new Raw().TextOf(0xE0, 0x80, 0xAF).Fill(0, 5), "a hidden slash"),
        Bad("LOGIN", "device-low-surrogate", new Raw().TextOf(0xED, 0xBF, 0xBF).Fill(0, 5), "half a surrogate pair"),
        Bad("LOGIN", "device-surrogate-pair-in-utf8", new Raw().TextOf(0xED, 0xA0, 0xBD, 0xED, 0xB8, 0x80).Fill(0, 5), "CESU-8 gives one character two encodings"),
        Bad("LOGIN", "device-above-unicode", new Raw().TextOf(0xF4, 0x90, 0x80, 0x80).Fill(0, 5), "a character that does not exist"),
        Bad("LOGIN", "device-five-byte-form", new Raw().TextOf(0xF8, 0x88, 0x80, 0x80, 0x80).Fill(0, 5), "a form that UTF-8 gave up"),
        Bad("LOGIN", "device-33-two-byte-characters", Login(device: new string('é', 33)), "a limit that counts characters, not bytes"),
        Bad("LOGIN", "sdk-with-a-line-break", Login(sdk: "x\n"), "a version text that forges log lines"),
        Bad("LOGIN", "sdk-cut-off", new Raw().Text("d").Number(5).Bytes(1), "a text that runs into the end"),
        Bad("LOGIN", "network-missing", new Raw().Text("d").Text(""), "a missing byte that reads as 0"),
        Bad("LOGIN", "features-ten-bytes", new Raw().Text("d").Text("").Bytes(0).Number(ulong.MaxValue).Fill(0, 3), "a 64th bit that makes the flags negative"),
        Bad("LOGIN", "features-cut-off", new Raw().Text("d").Text("").Bytes(0, 0x80), "a number without its end"),
        Bad("LOGIN", "interval-63-bits", Login(interval: Max63), "an interval that overflows when multiplied by 1.25"),
        Bad("LOGIN", "interval-2-to-32", Login(interval: 1UL << 32), "an interval that is 0 after a cast"),
        Bad("LOGIN", "binding-count-63-bits", Login(count: Max63), "an array of the size that the peer names"),
        Bad("LOGIN", "binding-count-2-to-31", Login(count: 1UL << 31), "an array of negative size"),
        Bad("LOGIN", "binding-count-2-to-32", Login(count: 1UL << 32), "a count that is 0 after a cast"),
        Bad("LOGIN", "sixteen-bindings-announced-none-sent", Login(count: 16), "default bindings for missing ones"),
        Bad("LOGIN", "binding-without-positions", Login(count: 1).Text("a").Text("b").Bytes(0, 0), "missing positions that read as 0"),
        Bad("LOGIN", "second-binding-cut-off", Login(count: 2).Text("a").Text("b").Fill(0, 6).Text("c"), "half a binding"),

        Bad("BIND", "empty-body", new Raw(), "a request without an id"),
        Bad("BIND", "app-65-bytes", new Raw().Number(1).Text(new string('a', 65)).Text("b").Fill(0, 6), "an app id that no store key holds"),
        Bad("BIND", "app-empty", new Raw().Number(1).Text("").Text("b").Fill(0, 6), "the empty app"),
        Bad("BIND", "user-65-bytes", new Raw().Number(1).Text("a").Text(new string('u', 65)).Fill(0, 6), "a user id that no store key holds"),
        Bad("BIND", "user-with-a-colon-and-zero", new Raw().Number(1).Text("a").Text("b:\0").Fill(0, 6), "an id that reaches into another key of a store"),
        Bad("BIND", "user-not-utf8", new Raw().Number(1).Text("a").TextOf(0xC3, 0x28).Fill(0, 6), "two users that become one by replacement"),
        Bad("BIND", "ticket-length-63-bits", new Raw().Number(1).Text("a").Text("b").Number(Max63).Bytes(0), "a ticket buffer of the size that the peer names"),
        Bad("BIND", "ticket-cut-off", new Raw().Number(1).Text("a").Text("b").Number(200).Fill(1, 199), "a ticket that runs into the next frame"),
        Bad("BIND", "flags-missing", new Raw().Number(1).Text("a").Text("b").Number(0), "a missing byte that reads as 0"),
        Bad("BIND", "mailbox-epoch-63-bits", Bind().Number(Max63).Fill(0, 3), "an epoch that loses bits by a cast"),
        Bad("BIND", "broadcast-epoch-2-to-32", Bind().Bytes(1, 1).Number(1UL << 32).Bytes(0), "an epoch that is 0 after a cast"),
        Bad("BIND", "mailbox-seq-63-bits", Bind().Bytes(1).Number(Max63).Bytes(0, 0), "seq + 1 turns negative"),
        Bad("BIND", "broadcast-seq-over-the-limit", Bind().Bytes(0, 0, 1).Number(SeqOver), "a seq that a script's double rounds"),
        Bad("BIND", "broadcast-seq-missing", Bind().Bytes(0, 0, 1), "half a position"),

        Bad("RESUME", "empty-body", new Raw(), "a RESUME without a ticket"),
        Bad("RESUME", "ticket-256-bytes", new Raw().Number(256).Fill(1, 256).Fill(0, 2), "an unbounded ticket"),
        Bad("RESUME", "ticket-length-lies", new Raw().Number(255).Fill(1, 10), "a ticket that runs into the next frame"),
        Bad("RESUME", "interval-over-a-day", new Raw().TextOf(1).Number(86_401).Bytes(0), "a deadline in the far future holds a dead connection"),
        Bad("RESUME", "17-positions", Resume(17), "more positions than bindings"),
        Bad("RESUME", "position-count-63-bits", new Raw().TextOf(1).Bytes(0).Number(Max63), "an array of the size that the peer names"),
        Bad("RESUME", "position-count-lies", new Raw().TextOf(1).Bytes(0, 16, 0, 0, 0, 0, 0), "default positions for missing ones"),
        Bad("RESUME", "index-16384", new Raw().TextOf(1).Bytes(0, 1).Number(16_384).Fill(0, 4), "an index beyond every table"),
        Bad("RESUME", "seq-over-the-limit", new Raw().TextOf(1).Bytes(0, 1, 0, 1).Number(SeqOver).Fill(0, 2), "seq + 1 is not exact"),

        Bad("UNBIND", "empty-body", new Raw(), "a missing index that reads as 0 and ends the first binding"),
        Bad("UNBIND", "index-63-bits", new Raw().Number(Max63), "an index that turns negative"),
        Bad("UNBIND", "index-2-to-32", new Raw().Number(1UL << 32), "an index that is 0 after a cast"),

        Bad("ACK", "empty-body", new Raw(), "an ACK of nothing"),
        Bad("ACK", "tag-missing", new Raw().Bytes(0), "a missing tag that reads as epoch 0"),
        Bad("ACK", "tag-255", new Raw().Bytes(0, 0xFF, 1), "a tag that no epoch has"),
        Bad("ACK", "seq-missing", new Raw().Bytes(0, 1), "a missing seq that reads as 0"),
        Bad("ACK", "seq-63-bits", new Raw().Bytes(0, 1).Number(Max63), "acked + 1 turns negative and everything counts as unacked or acked"),
        Bad("ACK", "seq-64-bits", new Raw().Bytes(0, 1).Number(ulong.MaxValue), "a seq that turns negative"),
        Bad("ACK", "stream-key-63-bits", new Raw().Number(Max63).Bytes(1, 1), "a stream key whose half is a wild index"),
        Bad("ACK", "stream-key-2-to-33", new Raw().Number(1UL << 33).Bytes(1, 1), "a stream key that is 0 after a cast"),

        Bad("SEND", "empty-body", new Raw(), "an upstream message from nowhere"),
        Bad("SEND", "index-16384", new Raw().Number(16_384).Bytes(1).Text("t").Bytes(0), "an index beyond every table"),
        Bad("SEND", "message-id-over-the-limit", new Raw().Bytes(0).Number(SeqOver).Text("t").Bytes(0), "a message id that JSON rounds: two messages become one"),
        Bad("SEND", "type-length-lies", new Raw().Bytes(0, 1, 32, (byte)'t'), "a type that swallows the payload"),
        Bad("SEND", "type-with-a-line-break", new Raw().Bytes(0, 1).Text("a\r\nb").Bytes(0), "a type that forges a webhook's header"),
        Bad("SEND", "type-not-utf8", new Raw().Bytes(0, 1).TextOf(0xFE).Bytes(0), "a type that matches no rule or every one"),
        Bad("SEND", "kind-missing", new Raw().Bytes(0, 1).Text("t"), "a missing kind that reads as 0"),
        Bad("SEND", "kind-255", new Raw().Bytes(0, 1).Text("t").Bytes(0xFF), "a kind that a switch does not know"),

        Bad("FETCH", "empty-body", new Raw(), "a FETCH of nothing"),
        Bad("FETCH", "first-seq-63-bits", new Raw().Bytes(1, 0).Number(Max63).Bytes(10), "first + count turns negative"),
        Bad("FETCH", "first-seq-over-the-limit", new Raw().Bytes(1, 0).Number(SeqOver).Bytes(10), "first + count is not exact"),
        Bad("FETCH", "count-63-bits", new Raw().Bytes(1, 0, 1).Number(Max63), "a page of the size that the peer names"),
        Bad("FETCH", "count-2-to-32-plus-1", new Raw().Bytes(1, 0, 1).Number((1UL << 32) + 1), "a count that is 1 after a cast"),
        Bad("FETCH", "count-missing", new Raw().Bytes(1, 0, 1), "a missing count that reads as everything"),
        Bad("FETCH", "stream-key-too-high", new Raw().Bytes(1).Number(32_768).Bytes(1, 1), "an index beyond every table"),

        Bad("SUBSCRIBE", "topic-count-63-bits", new Raw().Bytes(1, 0).Number(Max63), "an array of the size that the peer names"),
        Bad("SUBSCRIBE", "topic-count-lies", new Raw().Bytes(1, 0, 64).Text("t"), "null topics for missing ones"),
        Bad("SUBSCRIBE", "topic-129-bytes", new Raw().Bytes(1, 0, 1).Text(new string('t', 129)), "an unbounded topic"),
        Bad("SUBSCRIBE", "topic-empty", new Raw().Bytes(1, 0, 1, 0), "the empty topic matches everything"),
        Bad("SUBSCRIBE", "topic-with-a-control-character", new Raw().Bytes(1, 0, 1).Text("a\u0001"), "a topic that forges log lines"),
        Bad("UNSUBSCRIBE", "index-16384", new Raw().Bytes(1).Number(16_384).Bytes(1).Text("t"), "an index beyond every table"),
        Bad("UNSUBSCRIBE", "no-topics", new Raw().Bytes(1, 0, 0), "an UNSUBSCRIBE of nothing that is taken for everything"),

        Bad("PING", "interval-63-bits", new Raw().Number(Max63), "an interval that overflows when multiplied by 1.25"),
        Bad("PING", "interval-2-to-32", new Raw().Number(1UL << 32), "an interval that is 0 after a cast"),
        Bad("PING", "interval-cut-off", new Raw().Bytes(0x80), "a number without its end reads as an empty PING"),
        Bad("PING", "interval-not-shortest", new Raw().Bytes(0xBC, 0x00), "one PING has two encodings"),
        Bad("PING", "interval-ten-bytes", new Raw().Fill(0xFF, 9).Bytes(1), "a 64th bit that makes the interval negative"),
    ];

    private static HostileInput Bad(string frame, string name, Raw body, string prevents) =>
        new($"{frame}: {name}", frame, body.Frame(Vectors.VectorCodec.ByName[frame].Opcode), ReasonCode.BadFrame, prevents);

    private static Raw Login(string device = "d", string sdk = "", ulong interval = 0, ulong count = 0) =>
        new Raw().Text(device).Text(sdk).Bytes(0, 0).Number(interval).Number(count);

    private static Raw Bind() => new Raw().Number(1).Text("a").Text("b").Bytes(0, 0);

    private static Raw Resume(int count) => new Raw().TextOf(1).Bytes(0).Number((ulong)count).Fill(0, count * 5);
}
