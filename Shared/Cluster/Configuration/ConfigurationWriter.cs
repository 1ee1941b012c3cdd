using System.Collections;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace PushSystem.Cluster.Configuration;

/// <summary>Writes a configuration as the document that reads back to it: only what is set. Pure.</summary>
internal static class ConfigurationWriter
{
    /// <summary>The document; "{}" when nothing is set.</summary>
    public static string Write(ClusterConfiguration configuration)
    {
        var text = new StringWriter { NewLine = "\n" };
        var emitter = new Emitter(text);
        emitter.Emit(new StreamStart());
        emitter.Emit(new DocumentStart(null, null, isImplicit: true));
        emitter.Emit(new MappingStart(AnchorName.Empty, TagName.Empty, true, MappingStyle.Any));
        foreach (var (name, property) in ConfigurationSchema.Sections)
        {
            var section = property.GetValue(configuration)!;
            if (ConfigurationSchema.Of(property.PropertyType).All(setting => setting.Property.GetValue(section) is null))
                continue;
            Emit(emitter, name);
            WriteObject(emitter, property.PropertyType, section, MappingStyle.Block);
        }
        emitter.Emit(new MappingEnd());
        emitter.Emit(new DocumentEnd(isImplicit: true));
        emitter.Emit(new StreamEnd());
        return text.ToString();
    }

    private static void WriteObject(Emitter emitter, Type type, object of, MappingStyle style)
    {
        emitter.Emit(new MappingStart(AnchorName.Empty, TagName.Empty, true, style));
        foreach (var setting in ConfigurationSchema.Of(type))
        {
            var value = setting.Property.GetValue(of);
            if (value is null or "")
                continue;
            Emit(emitter, setting.Name);
            if (!setting.IsList)
            {
                WriteScalar(emitter, setting, value);
                continue;
            }
            var items = (IList)value;
            emitter.Emit(new SequenceStart(AnchorName.Empty, TagName.Empty, true, items.Count == 0 ? SequenceStyle.Flow : SequenceStyle.Block));
            foreach (var item in items)
            {
                if (setting.IsObject)
                    WriteObject(emitter, setting.ValueType, item!, MappingStyle.Flow);
                else
                    WriteScalar(emitter, setting, item!);
            }
            emitter.Emit(new SequenceEnd());
        }
        emitter.Emit(new MappingEnd());
    }

    // Free texts are quoted, so that one that looks like "null" stays a text.
    private static void WriteScalar(Emitter emitter, SettingInfo setting, object value) => emitter.Emit(new Scalar(
        AnchorName.Empty, TagName.Empty, SettingText.Format(value, setting.Limits.Bytes), value is string ? ScalarStyle.DoubleQuoted : ScalarStyle.Plain,
        isPlainImplicit: true, isQuotedImplicit: true));

    private static void Emit(Emitter emitter, string key) => emitter.Emit(new Scalar(key));
}
