import { createConsulClient } from '../discovery/consul-client.ts';

import { systemClock } from './clock.ts';
import { announce, reportFor } from './compose.ts';
import { claimIdentity } from './identity-answer.ts';
import { createInstanceId } from './instance-id.ts';
import type { RegisterOptions } from './options.ts';
import { type ServiceHandle, stopStep } from './service-handle.ts';
import { ready } from './start-service.ts';
import { checkRegisterOptions } from './validate-options.ts';

/**
 * Announces a process that listens by itself: call it when the port is bound and can answer. Otherwise like `startService`, with
 * one difference: stopping the listener is the caller's, in the option `close`, called once gateways send nothing new.
 * With `signals: 'handle'` the process exits after that, so without `close` what is in flight at a signal is lost.
 */
export async function registerService(options: RegisterOptions): Promise<ServiceHandle> {
  const checked = checkRegisterOptions(options, process.env);
  const report = reportFor(checked.name, options.log);
  const client = createConsulClient(checked.consul);
  const { close } = options;
  const id = checked.id ?? createInstanceId(checked.name);
  const identity = claimIdentity(checked.identity === 'answer' ? options.server : undefined, id);
  try {
    for (const warning of checked.warnings) report('warn', 'listening', warning);
    await ready(options.ready);
    return await announce({
      checked,
      id,
      identity: identity.state,
      client,
      port: checked.port,
      bound: undefined,
      closing: {
        announce: () => undefined,
        close: async () => {
          if (close !== undefined) {
            await stopStep('the close hook', close, {
              clock: systemClock,
              timeoutMs: checked.drainTimeoutMs,
              report,
            });
          }
          identity.release();
        },
      },
      report,
    });
  } catch (error) {
    client.close();
    identity.release();
    throw error;
  }
}
