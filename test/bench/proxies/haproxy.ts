import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { findProgram, type Contender } from './contender.ts';

/** HAProxy with one thread, connections to the origins kept and shared. */
export const haproxy: Contender = {
  name: 'haproxy',
  title: 'HAProxy',
  find: () =>
    findProgram('haproxy', {
      args: ['-v'],
      pattern: /version (\S+)/i,
      hint: 'apt-get install haproxy, or brew install haproxy',
    }),
  prepare({ port, originPorts, smallPort, folder, connections = 12_000 }) {
    const file = join(folder, `haproxy-${port}.cfg`);
    const servers = originPorts.map((origin, k) => `  server origin${k} 127.0.0.1:${origin}`);
    const apart = smallPort === undefined ? '' : `backend small\n  server small 127.0.0.1:${smallPort}\n`;
    writeFileSync(
      file,
      `global
  nbthread 1
  maxconn ${connections}
  no strict-limits
defaults
  mode http
  no log
  timeout connect 2s
  timeout client 75s
  timeout server 60s
  timeout tunnel 300s
  timeout http-keep-alive 75s
  http-reuse always
frontend bench
  bind 127.0.0.1:${port} backlog 4096
  maxconn ${connections}
${apart === '' ? '' : '  use_backend small if { path /small }\n'}  default_backend origins
backend origins
  balance roundrobin
  option forwardfor
${servers.join('\n')}
${apart}`,
    );
    return { command: 'haproxy', args: ['-q', '-db', '-f', file] };
  },
};
