using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace PushSystem.Hosting;

/// <summary>
/// Reads and checks options before anything starts. Data annotations and <see cref="IValidatableObject"/> say what is allowed; all
/// violations are told at once.
/// </summary>
public static class OptionsCheck
{
    /// <summary>
    /// Reads a section, "" = everything; what is absent keeps its default. Throws <see cref="OptionsValidationException"/> for values out of bounds
    /// and <see cref="InvalidOperationException"/> for unknown names and values of a wrong type.
    /// </summary>
    public static T BindValidated<T>(this IConfiguration configuration, string section)
        where T : class, new()
    {
        var options = new T();
        (section.Length == 0 ? configuration : configuration.GetSection(section)).Bind(
            options, binder => binder.ErrorOnUnknownConfiguration = true);
        return Validated(options, section);
    }

    /// <summary>Returns the options or throws <see cref="OptionsValidationException"/> that names every wrong member.</summary>
    public static T Validated<T>(T options, string section)
        where T : class
    {
        var results = new List<ValidationResult>();
        var context = new ValidationContext(options);
        // The validator asks the object itself only if its attributes are satisfied; whoever mends a file wants to know all.
        if (!Validator.TryValidateObject(options, context, results, validateAllProperties: true) && options is IValidatableObject self)
            results = [.. results.Concat(self.Validate(context)).DistinctBy(result => result.ErrorMessage + string.Join(',', result.MemberNames))];
        return results.Count == 0
            ? options
            : throw new OptionsValidationException(
                section, typeof(T),
                results.Select(result => $"{section}{(section.Length == 0 ? "" : ":")}{string.Join(',', result.MemberNames)}: {result.ErrorMessage}"));
    }
}
