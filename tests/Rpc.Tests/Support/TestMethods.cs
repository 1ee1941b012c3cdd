using PushSystem.Rpc.Tests.Proto;

namespace PushSystem.Rpc.Tests.Support;

/// <summary>Methods that the tests call.</summary>
internal static class TestMethods
{
    public static readonly RpcMethod<Echo, Echo> Echo = new(1, "Test.Echo", Proto.Echo.Parser, Proto.Echo.Parser);
    public static readonly RpcMethod<Echo, Echo> Wait = new(2, "Test.Wait", Proto.Echo.Parser, Proto.Echo.Parser);
    public static readonly RpcMethod<Echo, Echo> Fail = new(3, "Test.Fail", Proto.Echo.Parser, Proto.Echo.Parser);
    public static readonly RpcMethod<Echo, Echo> Absent = new(4, "Test.Absent", Proto.Echo.Parser, Proto.Echo.Parser);
    public static readonly RpcRawMethod Raw = new(5, "Test.Raw");
}
