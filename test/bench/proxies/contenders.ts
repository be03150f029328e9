import { caddy } from './caddy.ts';
import type { Contender } from './contender.ts';
import { gatewayContender } from './gateway.ts';
import { haproxy } from './haproxy.ts';
import { nginx } from './nginx.ts';
import { classicLoadBalancer, fastifyHttpProxy, keepAliveHttpProxy } from './node-peers.ts';

/** Everybody, in the order of the tables. */
export const contenders: readonly Contender[] = [
  gatewayContender('wire'),
  gatewayContender('http-proxy'),
  haproxy,
  nginx,
  caddy,
  keepAliveHttpProxy,
  fastifyHttpProxy,
  classicLoadBalancer,
];

/** The row that the others are compared with. */
export const referenceName: string = haproxy.name;
