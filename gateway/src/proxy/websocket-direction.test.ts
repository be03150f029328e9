import { describe, expect, it } from 'vitest';

import { closeFrame, goingAway, serviceRestart } from './websocket-frames.ts';
import { WebSocketDirection } from './websocket-direction.ts';

/** A short text frame of a server. */
const text = (payload: string): Buffer => Buffer.from([0x81, payload.length, ...Buffer.from(payload)]);
const farewell = Buffer.from(closeFrame(serviceRestart, undefined));

function way(): { readonly way: WebSocketDirection; carry(...pieces: Buffer[]): void; sent(): Buffer } {
  const sent: Buffer[] = [];
  const made = new WebSocketDirection((bytes) => {
    sent.push(Buffer.from(bytes));
    return 'flowing';
  });
  return {
    way: made,
    carry: (...pieces) => {
      for (const piece of pieces) made.carry(piece, 0, piece.length);
    },
    sent: () => Buffer.concat(sent),
  };
}

describe('WebSocketDirection', () => {
  it('passes on everything, and says when the other side takes no more', () => {
    const { carry, sent } = way();
    carry(text('hello'), text('world'));
    expect(sent()).toEqual(Buffer.concat([text('hello'), text('world')]));
    const full = new WebSocketDirection(() => 'full');
    expect(full.carry(text('a'), 0, 3)).toBe('full');
  });

  it('leaves at once between two frames, and passes on nothing behind its Close', () => {
    const { way: left, carry, sent } = way();
    carry(text('hello'));
    left.close(farewell);
    left.close(farewell);
    expect(left.state).toBe('closed');
    carry(text('late'));
    expect(sent()).toEqual(Buffer.concat([text('hello'), farewell]));
  });

  it('leaves at the end of the frame under way, wherever the pieces break', () => {
    const frame = text('hello');
    for (let at = 1; at < frame.length; at += 1) {
      const { way: left, carry, sent } = way();
      carry(frame.subarray(0, at));
      left.close(farewell);
      expect(left.state).toBe('closing');
      carry(Buffer.concat([frame.subarray(at), text('late').subarray(0, 3)]), text('late').subarray(3));
      expect(left.state).toBe('closed');
      expect(sent()).toEqual(Buffer.concat([frame, farewell]));
    }
  });

  it('sends no Close behind one that has passed, and sees one that comes after its own', () => {
    const close = Buffer.from(closeFrame(goingAway, undefined));
    const first = way();
    first.carry(close);
    first.way.close(farewell);
    expect(first.sent()).toEqual(close);
    const second = way();
    second.way.close(farewell);
    expect(second.way.closeSeen).toBe(false);
    second.carry(close);
    expect([second.way.closeSeen, second.sent()]).toEqual([true, farewell]);
  });
});
