import { createEmbeddedConsul } from '../embedded-consul/index.ts';
import { untilSignal } from '../lifecycle/until-signal.ts';
import { CommandError } from './program.ts';

/** `roundhouse consul`: the embedded agent by itself, until a signal. For development: it forgets everything when it ends. */
export async function consul({
  host,
  port,
}: {
  readonly host: string;
  readonly port: string;
}): Promise<void> {
  const agent = createEmbeddedConsul();
  const wanted = Number(port);
  if (!/^\d{1,5}$/.test(port) || wanted > 65_535)
    throw new CommandError(`--port ${port}: a port is a number from 0 to 65535.`);
  const signals = untilSignal(() => undefined);
  try {
    const address = await agent.listen({ host, port: wanted });
    console.log(
      `Embedded Consul agent on http://${address.host}:${address.port} (in memory, for development)`,
    );
    await signals.requested;
  } catch (error) {
    throw new CommandError(
      `The agent can't listen on ${host}:${port}: ${error instanceof Error ? error.message : String(error)}`,
    );
  } finally {
    signals.dispose();
    await agent.stop();
  }
}
