import { startGateway, type Gateway } from '../gateway.ts';
import { descriptorLimit } from '../lifecycle/descriptors.ts';
import { runtimeWarnings } from '../lifecycle/runtime-check.ts';
import { untilSignal } from '../lifecycle/until-signal.ts';
import { processConfig } from './config-source.ts';
import { CommandError, consulOrFail, programLog, programVersion, type Flags } from './program.ts';

/** How long the last log lines may take to get out. */
const flushMs = 1_000;

/** `roundhouse run`: a gateway in the foreground until SIGTERM or SIGINT. Resolves when it has drained. */
export async function run(flags: Flags): Promise<void> {
  const { loaded, source } = processConfig(flags);
  const { config, warnings } = loaded;
  const { client, warnings: consulWarnings } = consulOrFail({}, config.consul);
  const { log, sink, format } = programLog(config.log);
  for (const warning of [...runtimeWarnings(process.versions.node), ...warnings, ...consulWarnings])
    log.warn(warning);
  let gateway: Gateway | undefined;
  const signals = untilSignal(() => {
    if (gateway === undefined)
      log.warn('SIGHUP: the gateway is starting; the configuration was read just now.');
    else void gateway.reload('signal');
  });
  try {
    gateway = await startOrExplain({
      config,
      source: source(log),
      client,
      consul: {},
      log,
      accessLog: { sink, format },
      version: programVersion(),
    });
    const signal = await signals.requested;
    log.info(`${signal}: draining.`);
    await gateway.stop();
  } finally {
    signals.dispose();
    client.close();
    await sink.flush(flushMs);
  }
}

/** A listener that can't open is the usual reason for a failed start: say which, and what to do. */
export async function startOrExplain(options: Parameters<typeof startGateway>[0]): Promise<Gateway> {
  const { listen, admin } = options.config;
  try {
    return await startGateway({ ...options, descriptors: descriptorLimit() });
  } catch (error) {
    const { code, port } = systemError(error);
    if (code !== 'EADDRINUSE' && code !== 'EACCES' && code !== 'EADDRNOTAVAIL') throw error;
    const which =
      port === admin.port
        ? ['admin', 'GATEWAY_ADMIN_PORT', '--admin-port']
        : ['traffic', 'GATEWAY_PORT', '--port'];
    const address = port === admin.port ? admin : listen;
    const why = {
      EADDRINUSE: `port ${address.port} is in use`,
      EACCES: `port ${address.port} may not be opened by this user`,
      EADDRNOTAVAIL: `${address.host} is not an address of this machine`,
    }[code];
    throw new CommandError(
      `The ${which[0] ?? ''} listener can't open: ${why}. Choose another with ${which[1] ?? ''}=… or ${which[2] ?? ''} ….`,
    );
  }
}

function systemError(error: unknown): {
  readonly code: string | undefined;
  readonly port: number | undefined;
} {
  if (!(error instanceof Error)) return { code: undefined, port: undefined };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const port = 'port' in error && typeof error.port === 'number' ? error.port : undefined;
  return { code, port };
}
