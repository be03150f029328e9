import { ownBytes } from '../sockets/read-buffer.ts';
import { readHead } from './head-source.ts';
import type { HeadLimits } from './request-head.ts';
import { parseResponseHead, type HeadFault, type ParsedResponse } from './response-head.ts';

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
      this.bytes = ownBytes(bytes, from, to, this.bytes.subarray(this.at, this.end));
      this.at = 0;
      this.end = this.bytes.length;
      this.partial = false;
    } else {
      this.bytes = bytes;
      this.at = from;
      this.end = to;
    }
  }

  /** What follows the final head. It is not kept any more. */
  take(): { readonly bytes: Buffer; readonly at: number; readonly end: number } {
    const { bytes, at, end } = this;
    this.bytes = noBytes;
    this.at = 0;
    this.end = 0;
    return { bytes, at, end };
  }

  /** The next head, to a request with `method`; `incomplete`: what there is of it is kept until more is added. */
  next(method: string, limits: HeadLimits): ParsedResponse | 'incomplete' | HeadFault {
    const { bytes, at } = this;
    const head = readHead(bytes, [at, this.end], limits.headBytes, (source) =>
      parseResponseHead(source, method, limits),
    );
    if (head === 'incomplete') {
      this.bytes = ownBytes(bytes, at, this.end);
      this.at = 0;
      this.end = this.bytes.length;
      this.partial = this.end > 0;
    } else if (!('fault' in head)) {
      this.at += head.end;
    }
    return head;
  }
}
