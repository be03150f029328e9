#!/usr/bin/env node
import { Command, Option } from 'commander';

import { CommandError, programVersion, type Flags } from './commands/program.ts';
import { run } from './commands/run.ts';
import { changeConfig, healthcheck, show } from './commands/running-gateway.ts';
import { showConfig, validate } from './commands/validate.ts';
import { configOptions, fileOption } from './config/options.ts';

/**
 * The process edge: the only place where commands are named and the process is ended. `demo`, `dev` and `consul` are loaded when
 * they are asked for, because they bring the embedded agent along, which a gateway in production does not need.
 */
const program = new Command('roundhouse')
  .enablePositionalOptions()
  .description('A path-prefix gateway that follows Consul.')
  .version(programVersion())
  .showSuggestionAfterError()
  .showHelpAfterError('(roundhouse --help shows every command)');

/** Every setting is a flag too; the same list serves all commands that read the configuration. */
function configured(name: string, description: string, parent = program): Command {
  const command = parent.command(name).description(description);
  command.addOption(
    new Option(
      `${fileOption.flag} <file>`,
      `configuration file (${fileOption.env}; default gateway.yaml, if there is one)`,
    ),
  );
  for (const { flag, env, meaning } of configOptions)
    command.addOption(new Option(`${flag} <value>`, `${meaning} (${env})`));
  return command;
}

configured('run', 'run the gateway in the foreground').action((flags: Flags) => run(flags));
configured('demo', 'the whole system in one terminal: agent, gateway, demo services')
  .option('--api <count>', 'instances of api-service', '2')
  .option('--webapp <count>', 'instances of webapp-service', '2')
  .action(async ({ api, webapp, ...flags }: Flags & { readonly api: string; readonly webapp: string }) => {
    const { demo } = await import('./commands/demo.ts');
    await demo({ api, webapp, flags });
  });
configured('dev', 'agent and gateway in one terminal, for services that you start yourself').action(
  async (flags: Flags) => {
    const { dev } = await import('./commands/demo.ts');
    await dev(flags);
  },
);
program
  .command('consul')
  .description('an embedded Consul-compatible agent, in memory, for development')
  .option('--host <host>', 'address to listen on', '127.0.0.1')
  .option('--port <port>', 'port to listen on', '8500')
  .action(async (options: { readonly host: string; readonly port: string }) => {
    const { consul } = await import('./commands/consul.ts');
    await consul(options);
  });
configured('validate', 'check the configuration and start nothing')
  .argument('[file]', `the same as ${fileOption.flag}`)
  .action((file: string | undefined, flags: Flags) => {
    validate(file === undefined ? flags : { ...flags, [fileOption.flagKey]: file });
  });
const config = configured('config', 'show the effective configuration and where each value comes from')
  // Its subcommands have the same flags, after their names.
  .enablePositionalOptions()
  .action((flags: Flags) => {
    showConfig(flags);
  });
configured('history', 'show what the running gateway applied and refused', config)
  .option('--json', 'as JSON')
  .action((flags: Flags) => show('/api/v1/config/history', flags));
configured('reload', 'let the running gateway apply what its file has now', config).action((flags: Flags) =>
  changeConfig('reload', flags),
);
configured('rollback', 'let the running gateway go back to a version of its history, and stay there', config)
  .argument('<version>', 'of roundhouse config history')
  .action((version: string, flags: Flags) => changeConfig('rollback', flags, version));
configured('release', 'end a rollback: the running gateway follows its file again', config).action(
  (flags: Flags) => changeConfig('release', flags),
);
configured('routes', 'show the route table of the running gateway')
  .option('--json', 'as JSON')
  .action((flags: Flags) => show('/api/routes', flags));
configured('services', 'show services and instances of the running gateway')
  .option('--json', 'as JSON')
  .action((flags: Flags) => show('/api/services', flags));
configured('explain', 'what the running gateway would do with a request, and why')
  .argument('<method>')
  .argument('<url>', 'http://example.org/path, or a path for a request without a host')
  .option('--json', 'as JSON')
  .action((method: string, url: string, flags: Flags) =>
    show(`/api/v1/explain?${new URLSearchParams({ method: method.toUpperCase(), url }).toString()}`, flags),
  );
configured('healthcheck', 'succeed when the gateway on this host is ready').action((flags: Flags) =>
  healthcheck(flags),
);

try {
  await program.parseAsync();
} catch (error) {
  console.error(error instanceof CommandError ? error.message : error);
  process.exitCode = error instanceof CommandError ? error.exitCode : 1;
}
