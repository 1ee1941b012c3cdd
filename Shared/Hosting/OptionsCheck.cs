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
    /// Reads a section; what is absent keeps its default. Throws <see cref="OptionsValidationException"/> for values out of bounds
    /// and <see cref="InvalidOperationException"/> for unknown names and values of a wrong type.
    /// </summary>
    public static T BindValidated<T>(this IConfiguration configuration, string section)
        where T : class, new()
    {
        var options = new T();
        configuration.GetSection(section).Bind(options, binder => binder.ErrorOnUnknownConfiguration = true);
        return Validated(options, section);
    }

    /// <summary>Returns the options or throws <see cref="OptionsValidationException"/> that names every wrong member.</summary>
    public static T Validated<T>(T options, string section)
        where T : class
    {
        var results = new List<ValidationResult>();
        return Validator.TryValidateObject(options, new ValidationContext(options), results, validateAllProperties: true)
            ? options
            : throw new OptionsValidationException(
                section, typeof(T), results.Select(result => $"{section}:{string.Join(',', result.MemberNames)}: {result.ErrorMessage}"));
    }
}
