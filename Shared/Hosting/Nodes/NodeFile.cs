using Microsoft.Extensions.Configuration;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace PushSystem.Hosting.Nodes;

/// <summary>Reads a node file: YAML whose members are those of the options classes, in any case. Pure but for the file.</summary>
public static class NodeFile
{
    /// <summary>
    /// The file's settings by path ("links:listen"). Throws <see cref="InvalidDataException"/> that names the file and the line, and what
    /// reading a file throws.
    /// </summary>
    public static IConfiguration Read(string path)
    {
        using var reader = File.OpenText(path);
        try
        {
            var stream = new YamlStream();
            stream.Load(reader);
            var settings = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
            if (stream.Documents.Count > 1)
                throw new InvalidDataException($"{path}: one document is expected, not {stream.Documents.Count}");
            if (stream.Documents.Count == 1)
                Flatten(stream.Documents[0].RootNode, "", settings, path);
            return new ConfigurationBuilder().AddInMemoryCollection(settings).Build();
        }
        catch (YamlException exception)
        {
            throw new InvalidDataException($"{path}, line {exception.Start.Line}: {exception.Message}", exception);
        }
    }

    private static void Flatten(YamlNode node, string path, Dictionary<string, string?> settings, string file)
    {
        switch (node)
        {
            case YamlMappingNode map:
                foreach (var (key, value) in map.Children)
                    Flatten(value, path.Length == 0 ? $"{key}" : $"{path}:{key}", settings, file);
                break;
            case YamlSequenceNode list:
                for (var i = 0; i < list.Children.Count; i++)
                    Flatten(list.Children[i], $"{path}:{i}", settings, file);
                break;
            case YamlScalarNode scalar when path.Length > 0:
                if (!settings.TryAdd(path, scalar.Value))
                    throw new InvalidDataException($"{file}, line {scalar.Start.Line}: {path} is set twice");
                break;
            default:
                throw new InvalidDataException($"{file}, line {node.Start.Line}: settings are expected, \"name: value\"");
        }
    }
}
