using PushSystem.Pushctl;

return await new PushctlCommand(Surroundings.OfProcess()).RunAsync(args);
