import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { findProgram, type Contender, type Found, type Start } from './contender.ts';

export function findNginx(): Found {
  return findProgram('nginx', {
    args: ['-v'],
    pattern: /nginx\/(\S+)/,
    hint: 'apt-get install nginx-light, or brew install nginx',
  });
}

/** nginx with one worker as a proxy: connections to the origins kept, bodies streamed instead of spooled to disk. */
export const nginx: Contender = {
  name: 'nginx',
  title: 'nginx',
  find: findNginx,
  prepare({ port, originPorts, smallPort, folder, connections }) {
    const http = `
  map $http_upgrade $connection_field { default upgrade; '' ''; }
  upstream origins {
${originPorts.map((origin) => `    server 127.0.0.1:${origin};`).join('\n')}
    keepalive 128;
    keepalive_requests 1000000000;
  }
  ${smallPort === undefined ? '' : `upstream small { server 127.0.0.1:${smallPort}; keepalive 128; }`}
  server {
    listen 127.0.0.1:${port} backlog=4096;
    client_max_body_size 0;
    proxy_http_version 1.1;
    proxy_request_buffering off;
    proxy_max_temp_file_size 0;
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_field;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    location / { proxy_pass http://origins; }
    ${smallPort === undefined ? '' : 'location = /small { proxy_pass http://small; }'}
  }`;
    return startNginx(join(folder, `nginx-proxy-${port}`), http, connections);
  },
};

/** nginx with one worker as origins on several ports: `/small` (80 bytes), `/100k` and `/1m`. */
export function nginxOrigins(folder: string, ports: readonly number[]): Start {
  const files = join(folder, 'files');
  mkdirSync(files, { recursive: true });
  writeFileSync(join(files, '100k'), Buffer.alloc(100_000, 'x'));
  writeFileSync(join(files, '1m'), Buffer.alloc(1_000_000, 'x'));
  const http = `
  server {
${ports.map((port) => `    listen 127.0.0.1:${port} backlog=4096;`).join('\n')}
    root ${files};
    open_file_cache max=10;
    location = /small { return 200 "${'x'.repeat(80)}"; }
  }`;
  return startNginx(join(folder, 'nginx-origins'), http);
}

/** `connections`: of the worker, to clients and origins alike. */
function startNginx(folder: string, http: string, connections = 16_000): Start {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  writeFileSync(
    file,
    `${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
worker_processes 1;
pid ${join(folder, 'nginx.pid')};
error_log stderr crit;
events { worker_connections ${connections}; }
http {
  access_log off;
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 300s;
  keepalive_requests 1000000000;
${temporary.map((name) => `  ${name}_temp_path ${join(folder, name)};`).join('\n')}
${http}
}
`,
  );
  return { command: 'nginx', args: ['-p', folder, '-e', 'stderr', '-c', file] };
}
