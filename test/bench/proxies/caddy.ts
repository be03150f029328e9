import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { findProgram, type Contender } from './contender.ts';

/** Caddy on one thread (GOMAXPROCS=1), HTTP/1.1 only. */
export const caddy: Contender = {
  name: 'caddy',
  title: 'Caddy',
  find: () =>
    findProgram('caddy', {
      args: ['version'],
      pattern: /^v?(\S+)/m,
      hint: 'apt-get install caddy, or https://caddyserver.com/docs/install',
    }),
  prepare({ port, originPorts, smallPort, folder }) {
    const file = join(folder, `Caddyfile-${port}`);
    const origins = originPorts.map((origin) => `127.0.0.1:${origin}`).join(' ');
    writeFileSync(
      file,
      `{
	admin off
	auto_https off
}
http://:${port} {
	bind 127.0.0.1
	${smallPort === undefined ? '' : `reverse_proxy /small 127.0.0.1:${smallPort}`}
	reverse_proxy ${origins} {
		lb_policy round_robin
		transport http {
			keepalive 60s
			keepalive_idle_conns_per_host 256
		}
	}
}
`,
    );
    return {
      command: 'caddy',
      args: ['run', '--config', file, '--adapter', 'caddyfile'],
      env: { GOMAXPROCS: '1', XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder },
    };
  },
};
