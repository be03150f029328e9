import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { findNginx } from '../../bench/proxies/nginx.ts';
import { eventually } from '../../kit/eventually.ts';
import { startProcess } from '../../kit/processes.ts';
import { followConsul, type Address } from './follow-consul.ts';
import { answerTimeoutMs, peerService, type Peer } from './peer.ts';

function configuration(folder: string, port: number, addresses: readonly Address[]): string {
  // What HashiCorp's own template for nginx has for a service without instances.
  const servers = addresses.length === 0 ? ['127.0.0.1:65535'] : addresses;
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
worker_processes 1;
pid ${join(folder, 'nginx.pid')};
error_log stderr crit;
events { worker_connections 4000; }
http {
  access_log off;
  keepalive_timeout 75s;
  keepalive_requests 1000000;
${temporary.map((name) => `  ${name}_temp_path ${join(folder, name)};`).join('\n')}
  upstream instances {
${servers.map((server) => `    server ${server} max_fails=1 fail_timeout=2s;`).join('\n')}
    keepalive 128;
    keepalive_timeout 4s;
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://instances;
      proxy_http_version 1.1;
      proxy_set_header Connection '';
      proxy_connect_timeout ${answerTimeoutMs / 2}ms;
      proxy_read_timeout ${answerTimeoutMs}ms;
      proxy_next_upstream error timeout;
      proxy_next_upstream_tries 3;
    }
  }
}
`;
}

/** nginx with a generated configuration that is reloaded whenever Consul's answer changes, as consul-template does it. */
export const nginx: Peer = {
  name: 'nginx',
  title: 'nginx',
  setup:
    'configuration generated from a blocking query and reloaded, as consul-template does; `max_fails=1`, `proxy_next_upstream error timeout` (which leaves out POST)',
  find: findNginx,
  async start({ port, consul, folder }) {
    const file = join(folder, 'nginx.conf');
    mkdirSync(folder, { recursive: true });
    const following = new AbortController();
    let reload: () => void = () => undefined;
    let known = 0;
    const followed = followConsul(consul, peerService, {
      signal: following.signal,
      render: (addresses) => {
        writeFileSync(file, configuration(folder, port, addresses));
        known = addresses.length;
        reload();
      },
    });
    await eventually(() => {
      if (known === 0) throw new Error('Consul has no instances yet');
    });
    const child = await startProcess({ command: 'nginx', args: ['-p', folder, '-e', 'stderr', '-c', file] });
    reload = () => {
      child.signal('SIGHUP');
    };
    return {
      [Symbol.asyncDispose]: async () => {
        following.abort();
        await followed;
        await child[Symbol.asyncDispose]();
      },
    };
  },
};
