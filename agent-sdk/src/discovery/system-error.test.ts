import { expect, it } from 'vitest';

import { connectionFailure } from './consul-failure.ts';
import { ownShortage } from './system-error.ts';

it('tells what this process has run out of from what a peer does', () => {
  const shortages = ['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL'];
  expect(shortages.map(ownShortage)).not.toContain(undefined);
  expect(['ECONNREFUSED', 'ETIMEDOUT', 'EHOSTUNREACH', ''].map(ownShortage)).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

it('does not say of Consul that it cannot be reached when a call to it fails for want of a descriptor', () => {
  const facts = { kind: 'catalogServices', subject: '', url: 'http://c:8500', origin: 'default' } as const;
  const { failure, message } = connectionFailure(facts, 'EMFILE', undefined);
  expect([failure, message]).toEqual([
    'exhausted',
    'no file descriptor left in this process (EMFILE) for a call to Consul at http://c:8500; that is no word on Consul',
  ]);
});
