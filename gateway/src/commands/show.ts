import { adminUrl, askAdmin } from './admin-client.ts';
import { CommandError, configOrFail, type Flags } from './program.ts';

/** `roundhouse routes` and `roundhouse services`: what a running gateway knows, as a table, or as JSON with `--json`. */
export async function show(
  what: 'routes' | 'services',
  flags: Flags & { readonly json?: string },
): Promise<void> {
  const { json, ...rest } = flags;
  const { config } = configOrFail(rest);
  const { status, body } = await askAdmin(
    adminUrl(config.admin, `/api/${what}`),
    json === undefined ? 'text/plain' : 'application/json',
  );
  if (status !== 200) throw new CommandError(`The gateway answered ${status}: ${body.trim()}`);
  console.log(body.trimEnd());
}
