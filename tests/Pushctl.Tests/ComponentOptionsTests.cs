using PushSystem.Center;
using PushSystem.Cluster.Configuration;
using PushSystem.Coordinator;
using PushSystem.Dispatcher;
using PushSystem.Register;
using PushSystem.Room;
using PushSystem.Saver;
using PushSystem.Saver.MySql;
using PushSystem.Saver.Redis;

namespace PushSystem.Pushctl.Tests;

/// <summary>What the configuration names exists in the components' options, and what it allows they allow.</summary>
public sealed class ComponentOptionsTests
{
    [Fact]
    public void Every_setting_has_a_member_in_the_options_of_its_component()
    {
        Holds<DispatcherSection>(typeof(DispatcherOptions));
        Holds<RoomSection>(typeof(RoomOptions));
        Holds<CenterSection>(typeof(CenterOptions));
        Holds<RegisterSection>(typeof(RegisterOptions));
        Holds<CoordinatorSection>(typeof(CoordinatorOptions));
        Holds<SaverSection>(typeof(ClusterSaverOptions), typeof(MySqlOptions));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_bounds_of_the_configuration_lie_within_those_of_the_options(bool highest)
    {
        Laid<RoomOptions, RoomSection>(highest).Validate();
        Laid<CoordinatorOptions, CoordinatorSection>(highest).Validate();
        Laid<RegisterOptions, RegisterSection>(highest).Validate();
        Laid<ClusterSaverOptions, SaverSection>(highest).Validate();
        var mySql = Laid<MySqlOptions, SaverSection>(highest);
        mySql.ConnectionString = "Server=nowhere";
        mySql.Validate();
        PushSystem.Hosting.OptionsCheck.Validated(Laid<CenterOptions, CenterSection>(highest), "Center");
        PushSystem.Hosting.OptionsCheck.Validated(Laid<DispatcherOptions, DispatcherSection>(highest), "Dispatcher");
    }

    // All settings of a section at one end of their range.
    private static TOptions Laid<TOptions, TSection>(bool highest)
        where TOptions : class, new()
        where TSection : class, new()
    {
        var section = new TSection();
        foreach (var setting in ConfigurationSchema.Of(typeof(TSection)).Where(setting => setting.Least is not null))
            setting.Property.SetValue(section, highest ? setting.Most : setting.Least);
        return new OptionsOverlay<TOptions, TSection>(new TOptions()).Over(section);
    }

    private static void Holds<TSection>(params Type[] options)
    {
        foreach (var setting in ConfigurationSchema.Of(typeof(TSection)))
        {
            Assert.True(
                options.Any(type => type.GetProperty(setting.Property.Name) is { CanWrite: true }),
                $"{setting.Name} of {typeof(TSection).Name} is no member of {string.Join(", ", options.Select(type => type.Name))}");
        }
    }
}
