import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { repositoryRoot } from '../../kit/processes.ts';
import { benchService, type Contender, type Found, type Site } from './contender.ts';

function nodePeer(
  name: string,
  {
    title,
    dependency,
    args,
  }: {
    readonly title: string;
    readonly dependency: string;
    readonly args: (site: Site) => readonly number[] | readonly string[];
  },
): Contender {
  return {
    name,
    title,
    find: () => findDependency(dependency),
    prepare: (site) => ({
      command: process.execPath,
      args: [`test/bench/peers/${name}.mjs`, String(site.port), ...args(site).map(String)],
    }),
  };
}

function findDependency(name: string): Found {
  const manifest = join(repositoryRoot, 'node_modules', name, 'package.json');
  if (!existsSync(manifest))
    return { kind: 'missing', reason: `${name} is not installed: npm install --no-save ${name}` };
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { readonly version: string };
  return { kind: 'found', version: `${name} ${version}` };
}

export const keepAliveHttpProxy: Contender = nodePeer('http-proxy-keep-alive', {
  title: 'http-proxy, keep-alive agent',
  dependency: 'http-proxy',
  args: (site) => site.originPorts,
});

export const fastifyHttpProxy: Contender = nodePeer('fastify-http-proxy', {
  title: '@fastify/http-proxy',
  dependency: '@fastify/http-proxy',
  args: (site) => site.originPorts,
});

/** Also needs `consul`, which the SDK depends on. */
export const classicLoadBalancer: Contender = nodePeer('classic-load-balancer', {
  title: 'classic load balancer (http-proxy, asks Consul per request)',
  dependency: 'http-proxy',
  args: (site) => [String(site.consulPort), benchService],
});
