import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { Packed } from './packed.ts';

/** A registry for the scope of ours alone, so that the commands of the documentation can be typed as they stand there. */
export interface PackageRegistry extends AsyncDisposable {
  /** The line for `.npmrc`. */
  readonly setting: string;
}

/** Serves packages as if they had been published: what npm asks for, and the tarballs. */
export async function startPackageRegistry(packages: readonly Packed[]): Promise<PackageRegistry> {
  const tarballs = await Promise.all(packages.map(({ path }) => readFile(path)));
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '');
    const index = packages.findIndex(({ name }) => path === `/${name}` || path === `/${name}.tgz`);
    const [found, tarball] = [packages[index], tarballs[index]];
    response.statusCode = found === undefined ? 404 : 200;
    if (found === undefined || tarball === undefined || path.endsWith('.tgz')) {
      response.end(tarball);
      return;
    }
    const { name, version, manifest } = found;
    const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`;
    const dist = { tarball: `http://${request.headers.host ?? ''}/${name}.tgz`, integrity };
    response.setHeader('content-type', 'application/json');
    response.end(
      JSON.stringify({
        name,
        'dist-tags': { latest: version },
        versions: { [version]: { ...manifest, dist } },
      }),
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    setting: `@roundhouse:registry=http://127.0.0.1:${port}/\n`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
