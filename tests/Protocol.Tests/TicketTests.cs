using System.Buffers.Text;
using Xunit;

namespace PushSystem.Protocol.Tests;

public sealed class TicketTests
{
    private static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(1_795_000_000);
    private static readonly DateTimeOffset Later = Now.AddHours(1);
    private static readonly TicketKey Key = new(7, Enumerable.Range(0, 32).Select(i => (byte)i).ToArray());
    private static readonly TicketKey Newer = new(8, Enumerable.Range(50, 32).Select(i => (byte)i).ToArray());

    [Fact]
    public void A_ticket_is_accepted_for_its_app_and_user() =>
        Assert.Equal(ReasonCode.Ok, Ticket.Verify(Ticket.Issue(Key, "chat", "alice", Later), [Key], "chat", "alice", Now));

    [Fact]
    public void A_ticket_with_any_single_bit_changed_is_refused()
    {
        var ticket = Ticket.Issue(Key, "chat", "alice", Later);
        for (var i = 0; i < ticket.Length * 8; i++)
        {
            var copy = ticket.ToArray();
            copy[i / 8] ^= (byte)(1 << (i % 8));
            var code = Ticket.Verify(copy, [Key, Newer], "chat", "alice", Now);
            Assert.True(code is ReasonCode.TicketInvalid or ReasonCode.TicketKeyUnknown, $"bit {i % 8} of byte {i / 8}: {code}");
        }
    }

    [Fact]
    public void A_ticket_with_any_byte_replaced_is_refused()
    {
        var ticket = Ticket.Issue(Key, "chat", "alice", Later);
        for (var i = 0; i < ticket.Length; i++)
        {
            for (var value = 0; value < 256; value++)
            {
                if (value == ticket[i])
                    continue;
                var copy = ticket.ToArray();
                copy[i] = (byte)value;
                Assert.NotEqual(ReasonCode.Ok, Ticket.Verify(copy, [Key], "chat", "alice", Now));
            }
        }
    }

    [Fact]
    public void A_ticket_of_any_other_length_is_refused()
    {
        var ticket = Ticket.Issue(Key, "chat", "alice", Later);
        for (var length = 0; length < ticket.Length; length++)
            Assert.Equal(ReasonCode.TicketInvalid, Ticket.Verify(ticket.AsSpan(0, length), [Key], "chat", "alice", Now));
        foreach (var more in new[] { 1, 2, 32, 300 })
            Assert.Equal(ReasonCode.TicketInvalid, Ticket.Verify([.. ticket, .. new byte[more]], [Key], "chat", "alice", Now));
    }

    [Fact]
    public void A_border_moved_between_app_and_user_is_refused()
    {
        var ticket = Ticket.Issue(Key, "chat", "alice", Later);
        ticket[21] = 5;
        ticket[22] = 4;
        Assert.Equal(ReasonCode.TicketInvalid, Ticket.Verify(ticket, [Key], "chata", "lice", Now));
    }

    [Theory]
    [InlineData("chat", "bob")]
    [InlineData("news", "alice")]
    [InlineData("chat", "Alice")]
    [InlineData("chat", "alice ")]
    [InlineData("chat", "")]
    [InlineData("", "alice")]
    [InlineData("chata", "lice")]
    public void A_ticket_for_someone_else_is_a_mismatch(string app, string user) =>
        Assert.Equal(ReasonCode.TicketMismatch, Ticket.Verify(Ticket.Issue(Key, "chat", "alice", Later), [Key], app, user, Now));

    [Fact]
    public void An_id_longer_than_any_ticket_can_hold_is_a_mismatch() =>
        Assert.Equal(ReasonCode.TicketMismatch,
            Ticket.Verify(Ticket.Issue(Key, "chat", new string('u', 64), Later), [Key], "chat", new string('u', 65), Now));

    [Fact]
    public void The_replacement_character_does_not_stand_for_half_a_surrogate_pair() =>
        Assert.Equal(ReasonCode.TicketMismatch, Ticket.Verify(Ticket.Issue(Key, "chat", "\uFFFD", Later), [Key], "chat", "\uD800", Now));

    [Fact]
    public void A_ticket_ends_with_its_second()
    {
        var ticket = Ticket.Issue(Key, "chat", "alice", Later);
        Assert.Equal(ReasonCode.Ok, Ticket.Verify(ticket, [Key], "chat", "alice", Later.AddSeconds(-1)));
        Assert.Equal(ReasonCode.TicketExpired, Ticket.Verify(ticket, [Key], "chat", "alice", Later));
        Assert.Equal(ReasonCode.TicketExpired, Ticket.Verify(ticket, [Key], "chat", "alice", DateTimeOffset.MaxValue));
    }

    [Fact]
    public void A_ticket_from_before_1970_has_expired() =>
        Assert.Equal(ReasonCode.TicketExpired,
            Ticket.Verify(Ticket.Issue(Key, "chat", "alice", DateTimeOffset.MinValue), [Key], "chat", "alice", Now));

    [Fact]
    public void A_ticket_of_another_key_is_refused()
    {
        var ticket = Ticket.Issue(Newer, "chat", "alice", Later);
        Assert.Equal(ReasonCode.TicketKeyUnknown, Ticket.Verify(ticket, [Key], "chat", "alice", Now));
        Assert.Equal(ReasonCode.TicketKeyUnknown, Ticket.Verify(ticket, [], "chat", "alice", Now));
        Assert.Equal(ReasonCode.TicketInvalid, Ticket.Verify(ticket, [Key with { Id = Newer.Id }], "chat", "alice", Now));
    }

    [Fact]
    public void While_two_keys_are_active_tickets_of_both_are_accepted()
    {
        foreach (var key in new[] { Key, Newer })
        {
            var ticket = Ticket.Issue(key, "chat", "alice", Later);
            Assert.Equal(ReasonCode.Ok, Ticket.Verify(ticket, [Key, Newer], "chat", "alice", Now));
            Assert.Equal(ReasonCode.Ok, Ticket.Verify(ticket, [Newer, Key], "chat", "alice", Now));
        }
    }

    [Fact]
    public void A_key_without_a_secret_accepts_nothing()
    {
        // What an attacker would make for a key that was never set: its secret is known.
        var forged = ForgedWithEmptySecret();
        Assert.Equal(ReasonCode.TicketKeyUnknown, Ticket.Verify(forged, [default], "chat", "alice", Now));
        Assert.Throws<ArgumentException>(() => Ticket.Issue(default, "chat", "alice", Later));
    }

    [Fact]
    public void Two_tickets_for_the_same_user_differ() =>
        Assert.NotEqual(Ticket.Issue(Key, "chat", "alice", Later), Ticket.Issue(Key, "chat", "alice", Later));

    [Theory]
    [InlineData("", "alice")]
    [InlineData("chat", "")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "alice")]
    [InlineData("chat", "üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü")]
    [InlineData("chat", "a\nb")]
    [InlineData("chat", "a\u0085b")]
    public void A_ticket_is_not_issued_for_an_id_that_cannot_bind(string app, string user) =>
        Assert.ThrowsAny<ArgumentException>(() => Ticket.Issue(Key, app, user, Later));

    // Not a theory's data: attributes cannot carry half a surrogate pair.
    [Fact]
    public void A_ticket_is_not_issued_for_half_a_surrogate_pair() =>
        Assert.ThrowsAny<ArgumentException>(() => Ticket.Issue(Key, "chat", "a\uDC00b", Later));

    [Fact]
    public void The_text_form_comes_back_as_the_same_bytes()
    {
        var text = Ticket.IssueText(Key, "chat", "alice", Later);
        Assert.DoesNotContain('=', text);
        Assert.True(Ticket.TryParseText(text, out var ticket));
        Assert.Equal(ReasonCode.Ok, Ticket.Verify(ticket, [Key], "chat", "alice", Now));
    }

    [Fact]
    public void The_longest_ticket_fits_text_and_frame()
    {
        var ticket = Ticket.Issue(Key, new string('a', 64), new string('u', 64), Later);
        Assert.InRange(ticket.Length, 1, ProtocolLimits.MaxTicketBytes);
        Assert.True(Ticket.TryParseText(Base64Url.EncodeToString(ticket), out var parsed));
        Assert.Equal(ticket, parsed);
        Assert.True(Ticket.TryParseText(Base64Url.EncodeToString(new byte[255]), out _));
        Assert.False(Ticket.TryParseText(Base64Url.EncodeToString(new byte[256]), out _));
    }

    [Theory]
    [InlineData("AQ==")]
    [InlineData("A Q")]
    [InlineData("AQ\n")]
    [InlineData(" AQ")]
    [InlineData("AR")]
    [InlineData("A")]
    [InlineData("A+/A")]
    [InlineData("AÄ")]
    [InlineData("A\0")]
    public void A_text_that_is_not_the_one_form_is_refused(string text)
    {
        Assert.False(Ticket.TryParseText(text, out var ticket));
        Assert.Empty(ticket);
    }

    [Fact]
    public void Random_bytes_are_never_accepted_and_never_throw()
    {
        var random = new Random(20260103);
        var valid = Ticket.Issue(Key, "chat", "alice", Later);
        for (var i = 0; i < 100_000; i++)
        {
            var bytes = new byte[random.Next(0, 300)];
            random.NextBytes(bytes);
            if (bytes.Length > 23)
            {
                // Close enough to get past the first checks.
                valid.AsSpan(0, random.Next(0, 23)).CopyTo(bytes);
            }
            Assert.NotEqual(ReasonCode.Ok, Ticket.Verify(bytes, [Key, Newer], "chat", "alice", Now));
        }
    }

    private static byte[] ForgedWithEmptySecret()
    {
        var signed = Ticket.Issue(new TicketKey(0, new byte[32]), "chat", "alice", Later)[..^Ticket.MacSize];
        return [.. signed, .. System.Security.Cryptography.HMACSHA256.HashData(Array.Empty<byte>(), signed)];
    }
}
