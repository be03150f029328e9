import type { HeadSource } from './head-source.ts';
import type { HeadLimits } from './request-head.ts';
import { parseResponseHead, type ParsedResponse } from './response-head.ts';

/** Most heads fit in this: a chunk of body behind one need not become a string. */
const firstLookBytes = 2_048;

const noBytes = Buffer.alloc(0);

/**
 * Puts the heads of responses together from the reads they arrive in, however they are split. One per response.
 */
export class ResponseHeadReader {
  /** After a head: the buffer with what follows it, from `at` to `end`. */
  bytes: Buffer = noBytes;
  at = 0;
  end = 0;
  /** Whether part of a head is waiting for the rest. */
  partial = false;

  /** Takes a read; `bytes` need be valid during the call only. Then `next` says what is in it. */
  add(bytes: Buffer, from: number, to: number): void {
    if (this.partial) {
      this.bytes = Buffer.concat([this.bytes.subarray(this.at, this.end), bytes.subarray(from, to)]);
      this.at = 0;
      this.end = this.bytes.length;
      this.partial = false;
    } else {
      this.bytes = bytes;
      this.at = from;
      this.end = to;
    }
  }

  /** The next head, to a request with `method`; `incomplete`: what there is of it is kept until more is added. */
  next(method: string, limits: HeadLimits): ParsedResponse | 'incomplete' | 'malformed' {
    const { bytes, at } = this;
    const most = Math.min(this.end, at + limits.headBytes + 1);
    const first = Math.min(most, at + firstLookBytes);
    const upTo = (end: number): HeadSource => ({
      text: bytes.toString('latin1', at, end),
      bytes,
      offset: at,
    });
    let head = parseResponseHead(upTo(first), method, limits);
    if (head === 'incomplete' && first < most) head = parseResponseHead(upTo(most), method, limits);
    if (head === 'incomplete') {
      this.bytes = Buffer.from(bytes.subarray(at, this.end));
      this.at = 0;
      this.end = this.bytes.length;
      this.partial = this.end > 0;
    } else if (head !== 'malformed') {
      this.at += head.end;
    }
    return head;
  }
}
