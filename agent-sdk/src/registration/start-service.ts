import { type AddressInfo, isIPv6 } from 'node:net';

import { createConsulClient } from '../discovery/consul-client.ts';

import { unmapped } from './advertised-address.ts';
import { bind } from './bind.ts';
import { systemClock } from './clock.ts';
import { announce, reportFor } from './compose.ts';
import { createDrain, type Drain } from './drain.ts';
import { type Application, createApplication } from './handler.ts';
import { claimIdentity } from './identity-answer.ts';
import { createInstanceId } from './instance-id.ts';
import type { Report } from './log.ts';
import type { ServiceOptions } from './options.ts';
import { ServiceError, describeError } from './service-error.ts';
import { type ServiceHandle, stopStep } from './service-handle.ts';
import { checkServiceOptions } from './validate-options.ts';

/** How long the framework's and the caller's own closing hooks may take, each. */
const hookTimeoutMs = 5_000;

/**
 * Serves and announces it: binds a port, waits until the application is ready, registers in Consul and keeps it so; on SIGTERM,
 * SIGINT or a fatal error it leaves without failing a request. Gateways that open a connection may ask it who it is, which is
 * answered in front of the application.
 *
 * Resolves once the service is bound and ready, normally registered too. A Consul that is down does not keep a service from
 * serving: that is said on the log and registering goes on in the background. Rejects with {@link ServiceError}, then nothing is
 * left open. Reads `PORT`, `HOST`, `ADDRESS`, `LOG_LEVEL` and `CONSUL_*`. Ended by {@link ServiceHandle.stop} or a signal.
 */
export async function startService(options: ServiceOptions): Promise<ServiceHandle> {
  const checked = checkServiceOptions(options, process.env);
  const app = createApplication(options.handler);
  const report = reportFor(checked.name, options.log);
  const client = createConsulClient(checked.consul);
  const id = checked.id ?? createInstanceId(checked.name);
  const identity = claimIdentity(checked.identity === 'answer' ? app.server : undefined, id);
  const drain = createDrain(app.server, systemClock);
  const ours = !isListening(app);
  const finish = () =>
    finishServing(app, drain, { timeoutMs: checked.drainTimeoutMs, close: options.close, report });

  try {
    await app.ready();
    if (ours) {
      const { port, portOrigin: origin, host } = checked.listen;
      await bind({ listen: app.listen, choice: port, host, random: Math.random, origin });
    }
    const bound = boundAddress(app);
    report(
      'info',
      'listening',
      `listening on ${isIPv6(bound.address) ? `[${bound.address}]` : bound.address}:${bound.port}`,
    );
    for (const warning of checked.warnings) report('warn', 'listening', warning);
    await ready(options.ready);
    const handle = await announce({
      checked,
      id,
      identity: identity.state,
      client,
      port: bound.port,
      bound: bound.address,
      closing: {
        announce: drain.announce,
        close: async () => {
          await finish();
          identity.release();
        },
      },
      report,
    });
    // Somebody may close the server behind our back; then nothing answers here any more, and Consul should know.
    app.server.once('close', () => void handle.stop());
    if (!isListening(app)) void handle.stop();
    return handle;
  } catch (error) {
    client.close();
    identity.release();
    if (ours && isListening(app)) await finish();
    throw error;
  }
}

/** Ends all connections in order, then the application. */
async function finishServing(
  app: Application,
  drain: Drain,
  parts: {
    readonly timeoutMs: number;
    readonly close: (() => Promise<void>) | undefined;
    readonly report: Report;
  },
): Promise<void> {
  const { timeoutMs, close, report } = parts;
  const { cut } = await drain.finish({ timeoutMs, goodbye: app.close });
  if (cut > 0) {
    report(
      'warn',
      'connections_cut',
      `cut ${cut} connection(s) that were still busy after ${timeoutMs / 1000} s`,
    );
  }
  const limits = { clock: systemClock, timeoutMs: hookTimeoutMs, report };
  if (app.close !== undefined) await stopStep('closing the application', app.close, limits);
  if (close !== undefined) await stopStep('the close hook', close, limits);
}

/** Runs the caller's hook. Rejects with ServiceError `not_ready`. */
export async function ready(hook: (() => Promise<void>) | undefined): Promise<void> {
  try {
    await hook?.();
  } catch (error) {
    throw new ServiceError('not_ready', [`The ready hook failed: ${describeError(error)}`], { cause: error });
  }
}

function isListening(app: Application): boolean {
  return app.server.listening;
}

function boundAddress(app: Application): AddressInfo {
  const address = app.server.address();
  if (address === null || typeof address === 'string') {
    throw new ServiceError('invalid_options', [
      `The server listens on ${address ?? 'nothing'}; Consul needs a TCP port.`,
    ]);
  }
  return { ...address, address: unmapped(address.address) };
}
