import { adminUrl, askAdmin } from './admin-client.ts';
import { CommandError, configOrFail, type Flags } from './program.ts';

/** `roundhouse healthcheck`: succeeds when the gateway on this host is ready. Made for `HEALTHCHECK` in an image. */
export async function healthcheck(flags: Flags): Promise<void> {
  const { config } = configOrFail(flags);
  const url = adminUrl(config.admin, '/readyz');
  const { status, body } = await askAdmin(url, 'text/plain');
  if (status !== 200) throw new CommandError(`${url}: ${status} ${body.trim()}`);
  console.log(`OK: ${url}`);
}
