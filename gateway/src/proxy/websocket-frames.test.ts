import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { closeFrame, FrameBoundary, goingAway, serviceRestart } from './websocket-frames.ts';

/** A frame with a payload of so many bytes, every one of which looks like the start of a Close frame. */
function frame({ opcode, bytes, masked }: { opcode: number; bytes: number; masked: boolean }): number[] {
  const extended =
    bytes < 126
      ? []
      : bytes < 65_536
        ? [bytes >> 8, bytes & 0xff]
        : [0, 0, 0, 0, 0, bytes >> 16, (bytes >> 8) & 0xff, bytes & 0xff];
  const length = bytes < 126 ? bytes : bytes < 65_536 ? 126 : 127;
  const mask = masked ? [0x88, 0x88, 0x88, 0x88] : [];
  return [
    0x80 | opcode,
    length | (masked ? 0x80 : 0),
    ...extended,
    ...mask,
    ...new Array<number>(bytes).fill(0x88),
  ];
}

const frames = fc.array(
  fc.record({
    opcode: fc.constantFrom(0, 1, 2, 9, 10),
    bytes: fc.oneof(fc.constantFrom(0, 1, 125, 126, 127, 65_535, 65_536), fc.integer({ min: 0, max: 300 })),
    masked: fc.boolean(),
  }),
  { minLength: 1, maxLength: 6 },
);

describe('FrameBoundary', () => {
  it('starts at a boundary, before any Close', () => {
    expect(new FrameBoundary()).toMatchObject({ at: 'boundary', closeSeen: false });
  });

  it('finds the end of every frame, however the bytes are split', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.nat({ max: 200_000 }), { maxLength: 8 }), (sent, cuts) => {
        const texts = sent.map(frame);
        const bytes = Uint8Array.from(texts.flat());
        const ends = new Set<number>();
        let end = 0;
        for (const text of texts) ends.add((end += text.length));
        const tracker = new FrameBoundary();
        const pieces = [...cuts.filter((cut) => cut < bytes.length), bytes.length].sort((a, b) => a - b);
        let from = 0;
        for (const to of pieces) {
          const last = [...ends].filter((index) => index > from && index <= to).at(-1) ?? -1;
          expect(tracker.add(bytes, from, to)).toBe(last);
          expect(tracker.at).toBe(to === 0 || ends.has(to) ? 'boundary' : 'inside');
          from = to;
        }
        expect(tracker.closeSeen).toBe(false);
      }),
      { numRuns: 200 },
    );
  });

  it('sees a Close frame once it is whole', () => {
    const tracker = new FrameBoundary();
    const bytes = closeFrame(serviceRestart, undefined);
    tracker.add(bytes, 0, bytes.length - 1);
    expect(tracker.closeSeen).toBe(false);
    tracker.add(bytes, bytes.length - 1, bytes.length);
    expect(tracker).toMatchObject({ at: 'boundary', closeSeen: true });
  });

  it('never finds the end of a frame with an impossible length', () => {
    const tracker = new FrameBoundary();
    const bytes = Uint8Array.from([0x82, 127, ...new Array<number>(8).fill(0xff)]);
    expect(tracker.add(bytes, 0, bytes.length)).toBe(-1);
    expect(tracker.add(new Uint8Array(1_000), 0, 1_000)).toBe(-1);
    expect(tracker.at).toBe('inside');
  });
});

describe('closeFrame', () => {
  it('carries the code, bare towards a client and masked towards a server', () => {
    expect([...closeFrame(serviceRestart, undefined)]).toEqual([0x88, 2, 0x03, 0xf4]);
    expect([...closeFrame(goingAway, Uint8Array.of(1, 2, 3, 4))]).toEqual([
      0x88,
      0x82,
      1,
      2,
      3,
      4,
      0x03 ^ 1,
      0xe9 ^ 2,
    ]);
  });
});
