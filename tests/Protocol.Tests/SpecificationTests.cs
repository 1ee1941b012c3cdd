using System.Globalization;
using System.Reflection;
using PushSystem.Protocol.Tests.Vectors;
using Xunit;

namespace PushSystem.Protocol.Tests;

/// <summary>Holds the numbers of docs/protocol.md and of the code together.</summary>
public sealed class SpecificationTests
{
    [Fact]
    public void Every_reason_code_is_in_the_specification_with_its_advice()
    {
        var advice = new Dictionary<ReconnectAdvice, string>
        {
            [ReconnectAdvice.Stay] = "stay",
            [ReconnectAdvice.BackOff] = "back off",
            [ReconnectAdvice.Window] = "window",
        };
        var written = Page.Specification.Table("Reason codes").ToDictionary(row => Number(row[0]), row => (row[1], row[2]));
        foreach (var code in Enum.GetValues<ReasonCode>())
        {
            Assert.True(written.Remove((int)code, out var row), $"{code} is missing");
            Assert.Equal(code.ToString(), row.Item1);
            Assert.Equal(code == ReasonCode.Ok ? "-" : advice[ReasonCodes.AdviceFor(code)], row.Item2);
        }
        Assert.Empty(written);
    }

    [Fact]
    public void Every_frame_type_is_in_the_specification()
    {
        var written = Page.Specification.Table("Frame types").ToDictionary(row => Number(row[0]), row => row[1]);
        foreach (var (name, codec) in VectorCodec.ByName)
        {
            Assert.True(written.Remove((int)codec.Opcode, out var found), $"{name} is missing");
            Assert.Equal(name, found);
        }
        Assert.Empty(written);
    }

    [Fact]
    public void Every_limit_is_in_the_specification()
    {
        var written = Page.Specification.Table("Limits").ToDictionary(row => row[0], row => row[1].Replace(",", "", StringComparison.Ordinal));
        foreach (var field in typeof(ProtocolLimits).GetFields(BindingFlags.Public | BindingFlags.Static))
        {
            Assert.True(written.Remove(field.Name, out var value), $"{field.Name} is missing");
            Assert.Equal(Convert.ToString(field.GetRawConstantValue(), CultureInfo.InvariantCulture), value);
        }
        Assert.Empty(written);
    }

    [Theory]
    [InlineData("Reset reasons", typeof(ResetReason))]
    [InlineData("Payload kinds", typeof(PayloadKind))]
    [InlineData("Network types", typeof(NetworkType))]
    [InlineData("Feature bits", typeof(Features))]
    [InlineData("Advice", typeof(ReconnectAdvice))]
    public void Every_number_of_a_list_is_in_the_specification(string heading, Type type)
    {
        var written = Page.Specification.Table(heading).Select(row => (Number(row[0]), row[1]));
        var known = Enum.GetValuesAsUnderlyingType(type).Cast<object>()
            .Select(value => (Convert.ToInt32(value, CultureInfo.InvariantCulture), Enum.GetName(type, value)!))
            .Where(entry => entry.Item1 != 0 || type != typeof(Features));
        Assert.Equal(known, written);
    }

    private static int Number(string cell) => int.Parse(cell, CultureInfo.InvariantCulture);
}
