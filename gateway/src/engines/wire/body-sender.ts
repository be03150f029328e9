import type { Socket } from 'node:net';

import type { BodyReader } from './body-reader.ts';

/** Up to here, everything leaves as one string in one write: cheaper than a buffer, and node writes it from its stack. */
const smallBytes = 8_192;

/** How long the bytes of a buffer stay what they are. `call`: until control returns to the socket they came from. */
export type Lifetime = 'call' | 'kept';

/**
 * Writes what a reader has let through to the other side, with text before and after it, in a single write. `full`: the
 * other side takes no more for now, and 'drain' will say when it does.
 */
export function sendBody(
  target: Socket,
  { reader, before, after }: { readonly reader: BodyReader; readonly before: string; readonly after: string },
  bytes: Buffer,
  lifetime: Lifetime,
): 'flowing' | 'full' {
  const { spans } = reader;
  let total = before.length + after.length;
  for (let i = 0; i < spans.length; i += 2)
    total += reader.prefix(i >> 1).length + (spans[i + 1] ?? 0) - (spans[i] ?? 0);
  if (total === 0) return 'flowing';
  if (total <= smallBytes) {
    let text = before;
    for (let i = 0; i < spans.length; i += 2) {
      text += reader.prefix(i >> 1) + bytes.toString('latin1', spans[i] ?? 0, spans[i + 1] ?? 0);
    }
    target.write(text + after, 'latin1');
  } else if (lifetime === 'kept' && spans.length === 2 && spans[1] === total + (spans[0] ?? 0)) {
    target.write(bytes.subarray(spans[0], spans[1]));
  } else {
    const out = Buffer.allocUnsafeSlow(total);
    let at = out.write(before, 0, 'latin1');
    for (let i = 0; i < spans.length; i += 2) {
      at += out.write(reader.prefix(i >> 1), at, 'latin1');
      at += bytes.copy(out, at, spans[i], spans[i + 1]);
    }
    out.write(after, at, 'latin1');
    target.write(out);
  }
  return fullness(target);
}

/** Whether a socket wants its writer to wait for 'drain'. */
export function fullness(target: Socket): 'flowing' | 'full' {
  return target.writableLength > 0 && target.writableNeedDrain ? 'full' : 'flowing';
}
