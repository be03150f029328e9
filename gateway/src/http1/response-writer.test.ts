import { Socket } from 'node:net';

import { expect, it } from 'vitest';

import { MemoryBudget } from '../sockets/memory-budget.ts';
import { Http1ResponseWriter } from './response-writer.ts';

it('counts the interim responses that its client does not read', () => {
  const memory = new MemoryBudget({ bytes: 1_000_000, heapBytes: 2 ** 30 });
  const socket = new Socket();
  // It keeps what is written.
  Object.assign(socket, { connecting: true });
  const writer = new Http1ResponseWriter(socket, { memory, httpDate: () => '' });
  const fields = ['Link', 'x'.repeat(10_000)];
  for (let count = 0; count < 3; count += 1) writer.interim({ status: 103, reason: '', fields });
  expect(memory.usedBytes).toBeGreaterThan(30_000);
  writer.writes.settle();
  expect(memory.usedBytes).toBe(0);
});
