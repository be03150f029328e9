import { Socket } from 'node:net';

import { describe, expect, it } from 'vitest';

import { MemoryBudget } from './memory-budget.ts';
import { ReadBuffer, ReadBuffers } from './read-buffer.ts';

const ample = (): MemoryBudget => new MemoryBudget({ bytes: 2 ** 30, heapBytes: 2 ** 30 });

describe('ReadBuffer', () => {
  it('reads into the shared buffer until a message proves large, and keeps its block for the next one', () => {
    const buffers = new ReadBuffers(ample());
    const inlet = new ReadBuffer(buffers);
    expect(inlet.next()).toBe(buffers.shared);
    inlet.expectLarge();
    const block = inlet.next();
    expect(block).not.toBe(buffers.shared);
    inlet.settle();
    expect(inlet.next()).toBe(block);
    inlet.settle();
    expect(inlet.next()).toBe(buffers.shared);
  });

  it('gives a block back only when the socket has asked for another buffer', () => {
    const buffers = new ReadBuffers(ample());
    const inlet = new ReadBuffer(buffers);
    inlet.expectLarge();
    const block = inlet.next();
    inlet.settle();
    inlet.settle();
    expect(buffers.take().view).not.toBe(block);
    inlet.next();
    expect(buffers.take().view).toBe(block);
  });

  it('keeps blocks for a bounded number of connections', () => {
    const buffers = new ReadBuffers(ample());
    const inlets = Array.from({ length: 200 }, () => new ReadBuffer(buffers));
    for (const inlet of inlets) {
      inlet.expectLarge();
      inlet.next();
      inlet.settle();
    }
    expect(inlets.filter((inlet) => inlet.next() !== buffers.shared)).toHaveLength(64);
    for (const inlet of inlets) inlet.close();
    const late = new ReadBuffer(buffers);
    late.expectLarge();
    late.settle();
    expect(late.next()).not.toBe(buffers.shared);
  });

  it('writes a head in front of a body without copying the body', () => {
    const inlet = new ReadBuffer(new ReadBuffers(ample()));
    inlet.expectLarge();
    const bytes = inlet.next();
    bytes.write('old head|body', 'latin1');
    // Not connected: what is written waits in it.
    const socket = new Socket();
    const written: string[] = [];
    socket.write = (data: Uint8Array | string): boolean => {
      written.push(Buffer.from(data).toString('latin1'));
      return true;
    };
    expect(inlet.writeThrough(socket, bytes, 'a longer new head|', [9, 13])).toBe(true);
    expect(written).toEqual(['a longer new head|body']);
    expect(inlet.writeThrough(socket, Buffer.alloc(5), '', [0, 5])).toBe(false);
  });
});
