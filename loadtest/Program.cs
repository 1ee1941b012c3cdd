using PushSystem.Loadtest.CommandLine;
using Spectre.Console;

return await LoadtestCommand.RunAsync(args, AnsiConsole.Console);
