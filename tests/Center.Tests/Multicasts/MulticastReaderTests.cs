using System.Buffers;
using System.Text;
using System.Text.Json;
using PushSystem.Center.Bodies;
using PushSystem.Center.Multicasts;
using PushSystem.Contracts;
using PushSystem.Hosting.Problems;
using PushSystem.Protocol;
using Xunit;

namespace PushSystem.Center.Tests.Multicasts;

/// <summary>The bodies of multicasts, whole, cut anywhere, and hostile.</summary>
public sealed class MulticastReaderTests
{
    private static readonly HashSet<Durability> Offered = [Durability.Stored, Durability.Durable];

    private readonly BodyBudget _budget = new(256 * 1024 * 1024);

    [Theory]
    [InlineData("""{"text":"hé \u00e9","level":"stored","ttlSeconds":60,"ratePerSecond":5,"users":["ann","b\u006fb","ann","c ü"]}""")]
    [InlineData("""{"users":["ann","bob","ann","c ü"],"ratePerSecond":5,"ttlSeconds":60,"level":"stored","text":"hé é"}""")]
    [InlineData(""" { "level" : "stored" , "us\u0065rs" : [ "ann" , "bob" , "ann" , "c ü" ] , "text" : "hé é" , "ttlSeconds" : 60 , "ratePerSecond" : 5 } """)]
    public void A_body_reads_the_same_wherever_it_is_cut(string text)
    {
        var body = Encoding.UTF8.GetBytes(text);
        for (var cut = 0; cut <= body.Length; cut++)
            Check(body[..cut], body[cut..]);
        Check([.. body.Select(one => new[] { one })]);

        void Check(params byte[][] pieces)
        {
            using var users = new MulticastUsers(_budget);
            var reader = new MulticastJsonReader(new AppLimits(), users);
            Feed(reader, pieces);
            var draft = reader.Members.Draft("shop", Durability.Durable, Offered);
            Assert.Equal("hé é", Encoding.UTF8.GetString(draft.Payload.Span));
            Assert.Equal(
                (Durability.Stored, PayloadKind.Text, TimeSpan.FromSeconds(60), 5), (draft.Level, draft.Kind, draft.TimeToLive, draft.RatePerSecond));
            Assert.Equal(4, users.Entries);
            Assert.Equal(["ann", "bob", "c ü"], users.Spool.Take(10));
        }
    }

    [Fact]
    public void Lines_read_the_same_wherever_they_are_cut()
    {
        var body = Encoding.UTF8.GetBytes("\n{\"json\":{\"a\":[1, 2]},\"level\":\"durable\"}\r\n\"ann\"\n  \n \"bob\" \r\n\"ann\"\n\"c ü\"");
        for (var cut = 0; cut <= body.Length; cut++)
            Check(body[..cut], body[cut..]);
        Check([.. body.Select(one => new[] { one })]);

        void Check(params byte[][] pieces)
        {
            using var users = new MulticastUsers(_budget);
            var reader = new MulticastLineReader(new AppLimits(), users);
            Feed(reader, pieces);
            var draft = reader.Members.Draft("shop", Durability.Stored, Offered);
            Assert.Equal(("""{"a":[1, 2]}""", Durability.Durable), (Encoding.UTF8.GetString(draft.Payload.Span), draft.Level));
            Assert.Equal(["ann", "bob", "c ü"], users.Spool.Take(10));
        }
    }

    [Theory]
    [InlineData("""{"users":["ann",""]}""", "users[1]")]
    [InlineData("""{"users":["ann",7]}""", "users[1]")]
    [InlineData("""{"users":["ann",["bob"]]}""", "users[1]")]
    [InlineData("""{"users":["ann","bob",null]}""", "users[2]")]
    [InlineData("""{"users":["a\u0000b"]}""", "users[0]")]
    [InlineData("""{"users":["a\u0085b"]}""", "users[0]")]
    [InlineData("""{"users":["\ud800"]}""", "users[0]")]
    [InlineData("""{"users":["0123456789012345678901234567890123456789012345678901234567890123x"]}""", "users[0]")]
    [InlineData("""{"users":"ann"}""", "users")]
    [InlineData("""{"users":null}""", "users")]
    [InlineData("""{"users":["a"],"users":["b"]}""", "users")]
    [InlineData("""{"text":"x","json":1}""", "json")]
    [InlineData("""{"text":"x","text":"y"}""", "text")]
    [InlineData("""{"level":"high"}""", "level")]
    [InlineData("""{"ttlSeconds":0}""", "ttlSeconds")]
    [InlineData("""{"ttlSeconds":604801}""", "ttlSeconds")]
    [InlineData("""{"ratePerSecond":-1}""", "ratePerSecond")]
    [InlineData("""{"user":"a"}""", "user")]
    [InlineData("[]", "")]
    [InlineData("7", "")]
    public void What_is_wrong_is_named_wherever_the_body_is_cut(string text, string field)
    {
        var body = Encoding.UTF8.GetBytes(text);
        foreach (var cut in Enumerable.Range(0, body.Length + 1))
        {
            using var users = new MulticastUsers(_budget);
            var problem = Assert.Throws<ProblemException>(() => Feed(new MulticastJsonReader(new AppLimits(), users), body[..cut], body[cut..])).Problem;
            Assert.Equal((400, field), (problem.Status, problem.Field ?? ""));
            if (field.Length > 0)
                Assert.False(string.IsNullOrEmpty(problem.Limit));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("""{"users":["ann" """)]
    [InlineData("""{"users":["ann"]""")]
    [InlineData("""{"users":["ann",]}""")]
    [InlineData("""{"users":["ann"]}}""")]
    [InlineData("""{"users":["ann"]} {}""")]
    [InlineData("""{"json":{"a":}}""")]
    [InlineData("""{"text":tru""")]
    [InlineData("""{"users" ["ann"]}""")]
    public void Malformed_bodies_are_refused_wherever_they_are_cut(string text)
    {
        var body = Encoding.UTF8.GetBytes(text);
        foreach (var cut in Enumerable.Range(0, body.Length + 1))
        {
            using var users = new MulticastUsers(_budget);
            Assert.ThrowsAny<JsonException>(() => Feed(new MulticastJsonReader(new AppLimits(), users), body[..cut], body[cut..]));
        }
    }

    [Fact]
    public void Text_that_is_not_utf8_is_refused()
    {
        foreach (var body in (byte[][])[[.. "{\"users\":[\"a"u8, 0xff, .. "\"]}"u8], [.. "{\"text\":\"a"u8, 0xc3, .. "\"}"u8], [.. "{\"a"u8, 0xff, .. "\":1}"u8]])
        {
            using var users = new MulticastUsers(_budget);
            Assert.Equal(400, Assert.Throws<ProblemException>(() => Feed(new MulticastJsonReader(new AppLimits(), users), body)).Problem.Status);
        }
    }

    [Fact]
    public void Pieces_without_an_end_are_refused_before_they_fill_the_memory()
    {
        foreach (var start in (string[])["{\"users\":[\"", "{\"text\":\"", "{\"", "{\"json\":[\""])
        {
            using var users = new MulticastUsers(_budget);
            var reader = new MulticastJsonReader(new AppLimits(), users);
            var sent = 0;
            Assert.Throws<ProblemException>((Action)Drip);

            void Drip()
            {
                var buffer = Encoding.UTF8.GetBytes(start);
                while (true)
                {
                    var consumed = (int)reader.Read(new ReadOnlySequence<byte>(buffer), isFinal: false);
                    buffer = [.. buffer[consumed..], .. Enumerable.Repeat((byte)'x', 16 * 1024)];
                    sent += 16 * 1024;
                    Assert.InRange(sent, 0, 2 * 1024 * 1024);
                }
            }
        }
    }

    [Theory]
    [InlineData("{\"text\":\"x\",\"users\":[]}", "users")]
    [InlineData("[]", "")]
    [InlineData("{\"text\":\"x\"}\n\"ann\"\nbob", null)]
    [InlineData("{\"text\":\"x\"}\n\"ann\"\n7", "users[1]")]
    [InlineData("{\"text\":\"x\"}\n\"ann\" \"bob\"", null)]
    [InlineData("{\"text\":\"x\"}\n\"ann\"\n\"\"", "users[1]")]
    [InlineData("{\"text\":\"x\"", null)]
    [InlineData("", "text")]
    public void Wrong_lines_are_refused(string text, string? field)
    {
        using var users = new MulticastUsers(_budget);
        var failure = Assert.ThrowsAny<Exception>(() => Feed(new MulticastLineReader(new AppLimits(), users), Encoding.UTF8.GetBytes(text)));
        if (field is null)
            Assert.IsAssignableFrom<JsonException>(failure);
        else
            Assert.Equal(field, Assert.IsType<ProblemException>(failure).Problem.Field ?? "");
    }

    [Fact]
    public void A_million_users_take_bounded_memory_and_one_more_is_refused()
    {
        var budget = new CountingBudget(64 * 1024 * 1024);
        using (var users = new MulticastUsers(budget.Budget))
        {
            var reader = new MulticastJsonReader(new AppLimits(), users);
            var rest = Array.Empty<byte>();
            var text = new StringBuilder("{\"text\":\"x\",\"users\":[");
            for (var i = 0; i < MulticastUsers.MaxUsers; i++)
            {
                text.Append(i == 0 ? "" : ",").Append("\"user-").Append(i % 999_000).Append('"');
                if (text.Length < 32 * 1024)
                    continue;
                rest = [.. rest, .. Encoding.ASCII.GetBytes(text.ToString())];
                rest = rest[(int)reader.Read(new ReadOnlySequence<byte>(rest), isFinal: false)..];
                text.Clear();
            }
            byte[] last = [.. rest, .. Encoding.ASCII.GetBytes(text.ToString())];
            var consumed = (int)reader.Read(new ReadOnlySequence<byte>(last), isFinal: false);
            Assert.Equal((MulticastUsers.MaxUsers, 999_000), (users.Entries, users.Spool.Count));
            Assert.Equal("users", Assert.Throws<ProblemException>(() => reader.Read(new ReadOnlySequence<byte>(",\"x\"]}"u8.ToArray()), isFinal: true)).Problem.Field);
            Assert.True(consumed > 0);
            Assert.Equal(1_000, users.Spool.Take(1_000).Length);
        }
        Assert.Equal(64 * 1024 * 1024, budget.Left());
    }

    [Fact]
    public void Users_beyond_the_budget_of_bodies_are_refused_as_overload()
    {
        var budget = new BodyBudget(1024 * 1024);
        var users = new MulticastUsers(budget);
        var reader = new MulticastJsonReader(new AppLimits(), users);
        var body = Encoding.ASCII.GetBytes($"{{\"users\":[{string.Join(',', Enumerable.Range(0, 200_000).Select(i => $"\"user-{i}\""))}]}}");
        Assert.Equal(503, Assert.Throws<ProblemException>(() => Feed(reader, body)).Problem.Status);
        users.Dispose();
        Assert.True(budget.TryTake(1024 * 1024));
    }

    private static void Feed(MulticastReader reader, params byte[][] pieces)
    {
        byte[] buffer = [];
        for (var i = 0; i < pieces.Length; i++)
        {
            buffer = [.. buffer, .. pieces[i]];
            buffer = buffer[(int)reader.Read(Split(buffer), isFinal: false)..];
        }
        reader.Read(Split(buffer), isFinal: true);
    }

    /// <summary>The bytes in two segments, so that values lie across them.</summary>
    private static ReadOnlySequence<byte> Split(byte[] bytes)
    {
        if (bytes.Length < 2)
            return new ReadOnlySequence<byte>(bytes);
        var first = new Segment(bytes.AsMemory(0, bytes.Length / 2), 0);
        var second = new Segment(bytes.AsMemory(bytes.Length / 2), bytes.Length / 2);
        first.Follow(second);
        return new ReadOnlySequence<byte>(first, 0, second, second.Memory.Length);
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory, long index) => (Memory, RunningIndex) = (memory, index);

        public void Follow(Segment next) => Next = next;
    }

    private sealed class CountingBudget(int bytes)
    {
        public BodyBudget Budget { get; } = new(bytes);

        /// <summary>What can still be taken, to 64 KiB.</summary>
        public int Left()
        {
            var left = 0;
            while (Budget.TryTake(64 * 1024))
                left += 64 * 1024;
            return left;
        }
    }
}
