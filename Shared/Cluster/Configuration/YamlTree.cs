using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace PushSystem.Cluster.Configuration;

/// <summary>A value of the document and its line, from 1.</summary>
internal abstract record YamlNode(int Line);

/// <summary>A text, number and so on. Plain: without quotes.</summary>
internal sealed record YamlScalar(int Line, string Text, bool IsPlain) : YamlNode(Line)
{
    /// <summary>Nothing stands behind the colon.</summary>
    public bool IsNull => IsPlain && Text is "" or "~" or "null" or "Null" or "NULL";
}

/// <summary>A list.</summary>
internal sealed record YamlList(int Line, IReadOnlyList<YamlNode> Items) : YamlNode(Line);

/// <summary>A map, in the document's order, without repetitions.</summary>
internal sealed record YamlMap(int Line, IReadOnlyList<(string Key, YamlNode Value)> Members) : YamlNode(Line);

/// <summary>
/// Reads the plain part of YAML that a configuration needs. What only makes documents surprising is refused: anchors and aliases (which
/// multiply), tags, several documents, repeated keys. Depth and length are bounded. Pure.
/// </summary>
internal sealed class YamlTree
{
    /// <summary>Most characters of a document.</summary>
    public const int MaxLength = 8 * 1024 * 1024;

    private const int MaxDepth = 8;

    private readonly Parser _parser;
    private readonly List<ConfigurationError> _errors;

    private YamlTree(string text, List<ConfigurationError> errors) => (_parser, _errors) = (new Parser(new StringReader(text)), errors);

    /// <summary>The document's top, or null when it is empty. Throws <see cref="ConfigurationException"/>; repeated keys go into <paramref name="errors"/>.</summary>
    public static YamlNode? Read(string text, List<ConfigurationError> errors)
    {
        if (text.Length > MaxLength)
            throw new ConfigurationException("", 0, $"the document has {text.Length} characters, at most {MaxLength} are allowed");
        try
        {
            return new YamlTree(text, errors).ReadDocument();
        }
        catch (YamlException exception)
        {
            throw new ConfigurationException("", (int)exception.Start.Line, $"this is not YAML: {exception.Message}");
        }
    }

    private YamlNode? ReadDocument()
    {
        YamlNode? root = null;
        while (_parser.MoveNext())
        {
            switch (_parser.Current)
            {
                case StreamStart or StreamEnd or DocumentEnd or Comment:
                    break;
                case DocumentStart start:
                    if (root is not null)
                        throw new ConfigurationException("", Line(start), "there is a second document; one is allowed");
                    break;
                default:
                    root = ReadNode("", 0);
                    break;
            }
        }
        return root;
    }

    private YamlNode ReadNode(string path, int depth)
    {
        var current = _parser.Current!;
        if (depth > MaxDepth)
            throw new ConfigurationException(path, Line(current), $"is nested deeper than {MaxDepth} levels");
        if (current is AnchorAlias)
            throw new ConfigurationException(path, Line(current), "aliases are not allowed");
        if (current is NodeEvent { Anchor.IsEmpty: false })
            throw new ConfigurationException(path, Line(current), "anchors are not allowed");
        if (current is NodeEvent { Tag: { IsEmpty: false, IsNonSpecific: false } })
            throw new ConfigurationException(path, Line(current), "tags are not allowed");
        return current switch
        {
            Scalar scalar => new YamlScalar(Line(scalar), scalar.Value, scalar.Style == ScalarStyle.Plain),
            SequenceStart start => ReadList(Line(start), path, depth),
            MappingStart start => ReadMap(Line(start), path, depth),
            _ => throw new ConfigurationException(path, Line(current), "this is not expected here"),
        };
    }

    private YamlList ReadList(int line, string path, int depth)
    {
        var items = new List<YamlNode>();
        while (Next() is not SequenceEnd)
            items.Add(ReadNode($"{path}[{items.Count}]", depth + 1));
        return new YamlList(line, items);
    }

    private YamlMap ReadMap(int line, string path, int depth)
    {
        var members = new List<(string, YamlNode)>();
        var keys = new HashSet<string>(StringComparer.Ordinal);
        while (Next() is not MappingEnd)
        {
            if (_parser.Current is not Scalar key)
                throw new ConfigurationException(path, Line(_parser.Current!), "a key must be a plain text");
            if (ReadNode(path, depth + 1) is not YamlScalar)
                throw new ConfigurationException(path, Line(key), "a key must be a plain text");
            var (name, at) = (key.Value, Line(key));
            var full = path.Length == 0 ? name : $"{path}.{name}";
            Next();
            var value = ReadNode(full, depth + 1);
            if (keys.Add(name))
                members.Add((name, value));
            else
                _errors.Add(new ConfigurationError(SettingPath.Shown(full), at, "is given twice"));
        }
        return new YamlMap(line, members);
    }

    private ParsingEvent Next()
    {
        do
        {
            if (!_parser.MoveNext())
                throw new ConfigurationException("", 0, "the document ends too early");
        }
        while (_parser.Current is Comment);
        return _parser.Current!;
    }

    private static int Line(ParsingEvent of) => (int)of.Start.Line;
}

/// <summary>Paths in errors.</summary>
internal static class SettingPath
{
    /// <summary>The path, shortened and without control characters: a document can name a key anything.</summary>
    public static string Shown(string path) => SettingText.Show(path)[1..^1];
}
