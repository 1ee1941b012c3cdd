using System.Collections;
using System.Reflection;
using System.Text;

namespace PushSystem.Remote.Tests;

/// <summary>
/// Makes values in which no member has its default, and writes values as text so that two can be compared member by member. A member
/// that a message does not carry shows as a difference, also one that is added to a contract later.
/// </summary>
internal sealed class Specimens
{
    private int _next = 1;

    public object Make(Type type)
    {
        if (Nullable.GetUnderlyingType(type) is { } inner)
            return Make(inner);
        if (type == typeof(string))
            return $"text-{_next++}";
        if (type == typeof(bool))
            return true;
        if (type.IsEnum)
        {
            var values = Enum.GetValues(type);
            return values.GetValue(1 + (_next++ % (values.Length - 1)))!;
        }
        if (type == typeof(TimeSpan))
            return TimeSpan.FromMilliseconds(_next++);
        if (type == typeof(ReadOnlyMemory<byte>))
            return new ReadOnlyMemory<byte>(Encoding.UTF8.GetBytes($"bytes-{_next++}"));
        if (type.IsPrimitive)
            return Convert.ChangeType(_next++, type, System.Globalization.CultureInfo.InvariantCulture);
        if (ElementOf(type) is { } element)
        {
            var array = Array.CreateInstance(element, 3);
            for (var i = 0; i < array.Length; i++)
                array.SetValue(Make(element), i);
            return array;
        }
        return MakeRecord(type);
    }

    public static string Write(object? value)
    {
        var text = new StringBuilder();
        Write(text, value);
        return text.ToString();
    }

    private static Type? ElementOf(Type type) =>
        type.IsGenericType && type.GetGenericTypeDefinition() is { } generic
        && (generic == typeof(IReadOnlyList<>) || generic == typeof(IReadOnlyCollection<>))
            ? type.GetGenericArguments()[0]
            : null;

    private object MakeRecord(Type type)
    {
        var constructor = type.GetConstructors().OrderByDescending(one => one.GetParameters().Length).FirstOrDefault();
        var value = constructor is null
            ? Activator.CreateInstance(type)!
            : constructor.Invoke([.. constructor.GetParameters().Select(parameter => Make(parameter.ParameterType))]);
        foreach (var property in type.GetProperties().Where(property => property.CanWrite && property.GetIndexParameters().Length == 0))
            property.SetValue(value, Make(property.PropertyType));
        return value;
    }

    private static void Write(StringBuilder text, object? value)
    {
        switch (value)
        {
            case null:
                text.Append("null");
                break;
            case string or bool or Enum or TimeSpan:
                text.Append(value);
                break;
            case ReadOnlyMemory<byte> memory:
                text.Append(Convert.ToHexString(memory.Span));
                break;
            case var primitive when primitive.GetType().IsPrimitive:
                text.Append(primitive);
                break;
            case IEnumerable items:
                text.Append('[');
                foreach (var item in items)
                {
                    Write(text, item);
                    text.Append(',');
                }
                text.Append(']');
                break;
            default:
                text.Append(value.GetType().Name).Append('{');
                foreach (var property in value.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(Counts))
                {
                    text.Append(property.Name).Append('=');
                    Write(text, property.GetValue(value));
                    text.Append(';');
                }
                text.Append('}');
                break;
        }
    }

    private static bool Counts(PropertyInfo property) => property.GetIndexParameters().Length == 0 && property.CanWrite;
}
