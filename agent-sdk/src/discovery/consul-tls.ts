import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

import type { ConsulSettings, Setting } from './environment.ts';
import { RegistryError } from './registry-client.ts';
import { codeOf } from './system-error.ts';

/** What `https.Agent` is told about certificates; absent keys leave Node's defaults. */
export interface TlsOptions {
  readonly rejectUnauthorized: boolean;
  readonly ca?: string[];
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
}

/**
 * Reads the certificate files of the settings, once. Given CAs replace the system's, as in HashiCorp's client; `CONSUL_CACERT`
 * wins over `CONSUL_CAPATH`. Throws a `RegistryError('rejected')` that names the file and the setting it came from.
 */
export function readTlsOptions(tls: ConsulSettings['tls']): TlsOptions {
  const ca = tls.caFile !== undefined ? [readSetting(tls.caFile)] : readDirectory(tls.caPath);
  return {
    rejectUnauthorized: tls.verify.value === 'verify',
    ...(ca === undefined ? {} : { ca }),
    ...(tls.clientCert === undefined ? {} : { cert: readSetting(tls.clientCert) }),
    ...(tls.clientKey === undefined ? {} : { key: readSetting(tls.clientKey) }),
    ...(tls.serverName === undefined ? {} : { servername: tls.serverName.value }),
  };
}

function readSetting(setting: Setting<string>): string {
  try {
    return readFileSync(setting.value, 'utf8');
  } catch (error) {
    throw cannotRead(setting, error);
  }
}

/** Every PEM certificate of a directory, in name order; other files are passed over, as Go's `rootcerts` does. */
function readDirectory(setting: Setting<string> | undefined): string[] | undefined {
  if (setting === undefined) return undefined;
  try {
    const files = readdirSync(setting.value)
      .sort()
      .map((name) => join(setting.value, name))
      .filter((path) => statSync(path).isFile())
      .map((path) => readFileSync(path, 'utf8'));
    const certificates = files.filter((text) => text.includes('-----BEGIN CERTIFICATE-----'));
    if (certificates.length > 0) return certificates;
  } catch (error) {
    throw cannotRead(setting, error);
  }
  throw new RegistryError(
    'rejected',
    `No PEM certificate in ${setting.value} (from ${setting.origin}); nothing signed could be trusted.`,
  );
}

function cannotRead(setting: Setting<string>, error: unknown): RegistryError {
  const message = `Cannot read ${setting.value} (${codeOf(error)}, from ${setting.origin}).`;
  return new RegistryError('rejected', message, { cause: error });
}
