/** Something that was left out of an answer, because it alone is too large. */
export interface LeftOut {
  /** For an entry of a map, its key; for one of a list, the ids of node and service, as far as they can be read. */
  readonly name: string;
  readonly node: string;
}

const [quote, backslash, comma, colon] = [0x22, 0x5c, 0x2c, 0x3a];
const [openList, closeList, openMap, closeMap] = [0x5b, 0x5d, 0x7b, 0x7d];
/** Bytes of a record that is left out in which its ids are looked for. */
const headBytes = 4_096;
/** Names that are kept of what is left out; of further records only the number is known. */
const maxNames = 1_000;

/**
 * Reads a JSON list or map piece by piece and leaves out what is too large in it, so that one writer's records cannot keep an answer from
 * being read. Of a map, the key stays, with an empty list. Does not judge whether the rest is valid JSON.
 */
export class OversizeFilter {
  /** Bytes that are kept so far. */
  kept = 0;
  readonly leftOut: LeftOut[] = [];
  readonly #maxRecordBytes: number;
  readonly #out: Buffer[] = [];
  #kind: 'list' | 'map' | 'other' | undefined;
  #depth = 0;
  #inText: 'outside' | 'inside' | 'escaped' = 'outside';
  /** What belongs to the present record. */
  #parts: Buffer[] = [];
  #bytes = 0;
  /** Where the value of a map's entry begins in the record; 0 before it is known. */
  #valueAt = 0;
  #records = 0;

  constructor(maxRecordBytes: number) {
    this.#maxRecordBytes = maxRecordBytes;
  }

  /** Whether the answer is a list or a map at all, as far as it has come. */
  get isReadable(): boolean {
    return this.#kind !== 'other';
  }

  push(chunk: Buffer): void {
    let from = 0;
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at] ?? 0;
      if (this.#inText !== 'outside') {
        if (this.#inText === 'escaped') this.#inText = 'inside';
        else if (byte === backslash) this.#inText = 'escaped';
        else if (byte === quote) this.#inText = 'outside';
      } else if (this.#kind === undefined) {
        from = at + 1;
        this.#begin(byte);
      } else if (byte === quote) {
        this.#inText = 'inside';
      } else if (byte === openList || byte === openMap) {
        this.#depth += 1;
      } else if (byte === closeList || byte === closeMap) {
        this.#depth -= 1;
        if (this.#depth === 0) this.#endRecord(chunk.subarray(from, at));
      } else if (this.#depth === 1 && byte === comma) {
        this.#endRecord(chunk.subarray(from, at));
        from = at + 1;
      } else if (this.#depth === 1 && byte === colon && this.#valueAt === 0) {
        this.#valueAt = this.#bytes + at + 1 - from;
      }
    }
    if (this.#depth > 0) this.#take(chunk.subarray(from));
  }

  /** The answer without what is left out. */
  end(): Buffer {
    const [open, close] = this.#kind === 'map' ? ['{', '}'] : ['[', ']'];
    // What broke off in the middle is no JSON, and stays none.
    const end = this.#depth === 0 ? close : '';
    return Buffer.concat([Buffer.from(open), ...this.#out, Buffer.from(end)]);
  }

  #begin(byte: number): void {
    if (byte === openList || byte === openMap) {
      this.#kind = byte === openList ? 'list' : 'map';
      this.#depth = 1;
    } else if (byte > 0x20) {
      this.#kind = 'other';
    }
  }

  /** Keeps the bytes as long as the record may still be used, and its beginning in any case. */
  #take(part: Buffer): void {
    if (this.#bytes <= this.#maxRecordBytes || this.#bytes < headBytes) this.#parts.push(part);
    this.#bytes += part.length;
  }

  #endRecord(last: Buffer): void {
    this.#take(last);
    const record = Buffer.concat(this.#parts);
    if (this.#bytes <= this.#maxRecordBytes) this.#keep(record);
    else this.#leaveOut(record);
    this.#parts = [];
    this.#bytes = 0;
    this.#valueAt = 0;
  }

  #keep(record: Buffer): void {
    if (record.toString('latin1').trim() === '') return;
    if (this.#records > 0) this.#out.push(Buffer.from(','));
    this.#out.push(record);
    this.#records += 1;
    this.kept += record.length + 1;
  }

  #leaveOut(record: Buffer): void {
    const head = record.toString('utf8', 0, headBytes);
    if (this.#kind === 'map')
      this.#keep(Buffer.concat([record.subarray(0, this.#valueAt), Buffer.from('[]')]));
    if (this.leftOut.length >= maxNames) return;
    this.leftOut.push(
      this.#kind === 'map'
        ? { name: textIn(head, /^\s*"((?:[^"\\]|\\.)*)"/u), node: '' }
        : {
            name: textIn(head, /"Service":\s*\{\s*"ID":\s*"((?:[^"\\]|\\.)*)"/u),
            node: textIn(head, /"Node":\s*"((?:[^"\\]|\\.)*)"/u),
          },
    );
  }
}

function textIn(head: string, pattern: RegExp): string {
  const found = pattern.exec(head)?.[1] ?? '?';
  try {
    return String(JSON.parse(`"${found}"`));
  } catch {
    return '?';
  }
}
