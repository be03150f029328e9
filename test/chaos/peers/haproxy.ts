import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { haproxy as found } from '../../bench/proxies/haproxy.ts';
import { startProcess } from '../../kit/processes.ts';
import { answerTimeoutMs, peerService, type Peer } from './peer.ts';

/**
 * HAProxy that asks Consul's DNS every second (SRV records into a `server-template`), checks instances itself, and tries again elsewhere
 * what failed, but no POST that was sent.
 */
export const haproxy: Peer = {
  name: 'haproxy',
  title: 'HAProxy',
  setup:
    'Consul DNS (SRV, every second) into `server-template`, TCP checks every second, `redispatch`, `retry-on conn-failure empty-response response-timeout`, no layer 7 retry for POST',
  find: () => found.find(),
  async start({ port, dnsPort, folder }) {
    const file = join(folder, 'haproxy.cfg');
    writeFileSync(
      file,
      `global
  nbthread 1
  no strict-limits
resolvers consul
  nameserver agent 127.0.0.1:${dnsPort}
  accepted_payload_size 8192
  resolve_retries 3
  timeout resolve 1s
  timeout retry 500ms
  hold valid 1s
defaults
  mode http
  no log
  timeout connect ${answerTimeoutMs / 2}ms
  timeout server ${answerTimeoutMs}ms
  timeout client 75s
  timeout http-keep-alive 75s
  retries 3
  option redispatch 1
  retry-on conn-failure empty-response response-timeout
frontend traffic
  bind 127.0.0.1:${port}
  default_backend instances
backend instances
  balance roundrobin
  http-request disable-l7-retry if METH_POST
  server-template instance 20 _${peerService}._tcp.service.consul resolvers consul resolve-opts allow-dup-ip resolve-prefer ipv4 init-addr none check inter 1s fall 2 rise 1 observe layer7 error-limit 5 on-error mark-down
`,
    );
    return startProcess({ command: 'haproxy', args: ['-q', '-db', '-f', file] });
  },
};
