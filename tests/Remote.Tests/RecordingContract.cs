using System.Reflection;

namespace PushSystem.Remote.Tests;

/// <summary>Stands for any contract: notes with what a method was called and answers with a specimen of its result.</summary>
public class RecordingContract : DispatchProxy
{
    private readonly Specimens _specimens = new();

    public string Method { get; private set; } = "";
    public string Arguments { get; private set; } = "";
    public string Result { get; private set; } = "";

    /// <summary>Thrown by the next call.</summary>
    public Exception? Fault { get; set; }

    public static (T Contract, RecordingContract Recorder) Make<T>()
        where T : class
    {
        var contract = Create<T, RecordingContract>();
        return (contract, (RecordingContract)(object)contract);
    }

    /// <summary>What a call's arguments look like, the token left out.</summary>
    public static string Describe(IEnumerable<object?> arguments) =>
        string.Join(" | ", arguments.Where(argument => argument is not CancellationToken).Select(Specimens.Write));

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        ArgumentNullException.ThrowIfNull(targetMethod);
        if (Fault is { } fault)
            throw fault;
        Method = targetMethod.Name;
        Arguments = Describe(args ?? []);
        if (targetMethod.ReturnType == typeof(ValueTask))
            return ValueTask.CompletedTask;
        var type = targetMethod.ReturnType.GetGenericArguments()[0];
        var result = _specimens.Make(type);
        Result = Specimens.Write(result);
        // new ValueTask<T>(result)
        return Activator.CreateInstance(targetMethod.ReturnType, [result]);
    }
}
