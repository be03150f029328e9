import { Agent, get } from 'node:http';

/** Reads a page over and over until `signal` aborts. Resolves with how many answers came whole. */
export async function readAgainAndAgain(port: number, path: string, signal: AbortSignal): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let answers = 0;
  while (!signal.aborted) {
    await new Promise<void>((resolve) => {
      const request = get({ host: '127.0.0.1', port, path, agent, signal }, (response) => {
        response.resume();
        response.on('end', () => {
          if (response.complete) answers += 1;
        });
        response.on('close', resolve);
      });
      request.on('error', () => {
        resolve();
      });
    });
  }
  agent.destroy();
  return answers;
}
