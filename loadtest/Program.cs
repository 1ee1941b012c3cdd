using PushSystem.Loadtest.CommandLine;
using Spectre.Console;

// A pipe or a file gets no colours, whatever the terminal's variables say.
var console = Console.IsOutputRedirected
    ? AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors, Interactive = InteractionSupport.No })
    : AnsiConsole.Console;
return await LoadtestCommand.RunAsync(args, console);
