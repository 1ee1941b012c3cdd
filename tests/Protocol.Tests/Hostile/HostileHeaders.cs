using System.Text;

namespace PushSystem.Protocol.Tests.Hostile;

/// <summary>Hostile prefaces and frame headers.</summary>
internal static class HostileHeaders
{
    public static IEnumerable<HostileInput> All =>
    [
        Preface("tls-client-hello", [0x16, 0x03, 0x01, 0x02, 0x00, 0x01], "a TLS client on the plain port hangs until the login deadline"),
        Preface("ssh-banner", "SSH-2.0-scan\r\n"u8.ToArray(), "a port scanner keeps a connection busy"),
        Preface("http-post", "POST /v1/push HTTP/1.1\r\n"u8.ToArray(), "'PO' is not enough to be taken for the magic"),
        Preface("http-put", "PUT / HTTP/1.1\r\n"u8.ToArray(), "'PU' is not enough to be taken for the magic"),
        Preface("http2-preface", "PRI * HTTP/2.0\r\n"u8.ToArray(), "an HTTP/2 client keeps a connection busy"),
        Preface("mqtt-connect", [0x10, 0x0C, 0x00, 0x04, 0x4D, 0x51, 0x54, 0x54], "an MQTT client is read as frames"),
        Preface("proxy-v1-header", "PROXY TCP4 1.2.3.4"u8.ToArray(), "a PROXY header from an untrusted peer is skipped over"),
        Preface("proxy-v2-header", [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D], "a PROXY header from an untrusted peer is skipped over"),
        Preface("lower-case-magic", "push\u0001\u0001"u8.ToArray(), "two spellings of the magic"),
        Preface("magic-behind-a-space", " PUSH\u0001\u0001"u8.ToArray(), "white space before the magic is skipped"),
        Preface("magic-behind-a-byte-order-mark", [0xEF, 0xBB, 0xBF, .. "PUSH"u8, 1, 1], "a byte order mark is skipped"),
        Preface("magic-in-utf16", Encoding.Unicode.GetBytes("PUSH"), "the magic is read as text"),
        Preface("zero-bytes", new byte[6], "an idle scanner's zeros count as a preface"),
        Preface("frame-without-preface", [0x01, 0x07, 0x01, 0x64, 0x00, 0x00], "a LOGIN without a version"),
        Preface("both-versions-0", [.. "PUSH"u8, 0, 0], "version 0 is negotiated"),
        Preface("lowest-version-0", [.. "PUSH"u8, 0, 255], "a range that begins below every version"),
        Preface("range-255-to-254", [.. "PUSH"u8, 255, 254], "an empty range of versions is turned around"),

        Header("type-0-with-reserved-bit", [0x80, 0x00], ReasonCode.BadFrame, "the reserved bit is masked away"),
        Header("all-bits-set", [0xFF, 0xFF, 0xFF, 0xFF], ReasonCode.BadFrame, "a run of FF bytes is read as a frame"),
        Header("reserved-bit-alone-decides", [0x88], ReasonCode.BadFrame, "waiting for a length that cannot make the type valid"),
        Header("type-0-alone-decides", [0x00], ReasonCode.BadFrame, "waiting for a length that cannot make the type valid"),
        Header("zero-padding", new byte[64], ReasonCode.BadFrame, "zeros are read as empty frames for ever"),
        Header("length-0-in-two-bytes", [0x08, 0x80, 0x00], ReasonCode.BadFrame, "one length has two encodings"),
        Header("length-0-in-three-bytes", [0x08, 0x80, 0x80, 0x00], ReasonCode.BadFrame, "one length has three encodings"),
        Header("length-127-in-two-bytes", [0x08, 0xFF, 0x00], ReasonCode.BadFrame, "one length has two encodings"),
        Header("length-never-ends", [0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], ReasonCode.BadFrame, "a length that is read without a bound"),
        Header("length-of-2-to-31", [0x08, 0x80, 0x80, 0x80, 0x80, 0x08], ReasonCode.BadFrame, "a length that turns negative as an int"),
        Header("length-of-2-to-32", [0x08, 0x80, 0x80, 0x80, 0x80, 0x10], ReasonCode.BadFrame, "a length that is 0 after a cast to 32 bits"),
        Header("length-of-2-to-63", [0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], ReasonCode.BadFrame, "a length that turns negative as a long"),
        Header("three-bytes-over-a-small-limit", [0x01, 0x80, 0x80, 0x01], ReasonCode.FrameTooLarge, "an unknown peer makes the server keep 16 KiB") with { BodyLimit = ProtocolLimits.DefaultLoginBody },
        Header("resume-just-over-the-limit", [0x03, 0x81, 0x40], ReasonCode.FrameTooLarge, "the limit is off by one") with { BodyLimit = ProtocolLimits.DefaultLoginBody },
        Header("send-just-over-the-limit", [0x0B, 0x81, 0x90, 0x04], ReasonCode.FrameTooLarge, "the limit is off by one") with { BodyLimit = ProtocolLimits.DefaultClientBody },
        Header("critical-unknown-over-the-limit", [0x7F, 0xFF, 0xFF, 0x7F], ReasonCode.FrameTooLarge, "the critical flag is a way around the limit") with { BodyLimit = ProtocolLimits.DefaultClientBody },
        Header("ping-with-a-large-body", [0x10, 0xFF, 0xFF, 0x7F], ReasonCode.FrameTooLarge, "a PING carries two megabytes") with { BodyLimit = ProtocolLimits.DefaultClientBody },
        Header("server-frame-over-one-mebibyte", [0x08, 0x81, 0x80, 0x40], ReasonCode.FrameTooLarge, "a false server makes the client keep more than 1 MiB"),
        Header("limit-0-allows-no-body", [0x10, 0x01, 0x3C], ReasonCode.FrameTooLarge, "a limit of 0 is taken for no limit") with { BodyLimit = 0 },
        Header("type-0-before-a-good-frame", [0x00, 0x10, 0x00], ReasonCode.BadFrame, "type 0 is skipped to the next good frame"),
    ];

    private static HostileInput Preface(string name, byte[] bytes, string prevents) =>
        new($"preface: {name}", "PREFACE", bytes, ReasonCode.UnsupportedVersion, prevents);

    private static HostileInput Header(string name, byte[] bytes, ReasonCode code, string prevents) =>
        new($"header: {name}", "FRAME", bytes, code, prevents);
}
