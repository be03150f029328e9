import type { FieldLines } from '../http/field-lines.ts';
import type { BodyForm } from '../proxy/ports.ts';
import { scanFields } from './field-section.ts';
import { valueChar } from './grammar.ts';
import { sourceOf } from './head-source.ts';

/** A chunk size from here on takes no further digit: 13 hexadecimal digits without leading zeros are exact numbers. */
const longSize = 2 ** 48;
/** What is dropped of one size line (leading zeros, white space, extensions), and the extensions of a whole body (R16). */
const maxDroppedBytes = 256;
const maxExtensionsBytes = 16_384;
/** The trailer section, its final empty line included. */
const maxTrailerBytes = 8_192;
const maxTrailerLines = 64;

/**
 * Whose body it is. White space between a size and the end of its line is in no grammar, but old servers pad sizes with it: it is
 * taken from an instance.
 */
export type ChunkSender = 'client' | 'instance';

type ReaderState =
  | 'size'
  | 'blank'
  | 'extension'
  | 'quoted'
  | 'escaped'
  | 'size-lf'
  | 'content'
  | 'content-cr'
  | 'content-lf'
  | 'trailer'
  | 'done'
  | 'faulty';

/**
 * Reads a chunked body (RFC 9112 §7.1) from buffers as they come, split anywhere. What it lets through is named by spans of
 * the buffer it was given, so that chunks that are in canonical form pass as they are, in one piece; a size line that is not
 * (extensions, leading zeros, white space, split over two buffers) is replaced. The last chunk and the trailers are never let through: the
 * caller writes them. Nothing is let through before it has been understood.
 */
export class ChunkedReader {
  /** What goes on of the body; may change before the first read. */
  form: BodyForm;
  /** After `read`: from, to, from, to … of the bytes to pass on. */
  readonly spans: number[] = [];
  /** After `read`: what to write before each span; empty where the buffer itself holds the size line. */
  readonly prefixes: string[] = [];
  /** Content bytes read so far, without framing. */
  contentBytes = 0;
  /** The trailer section, once `done`. */
  trailers: FieldLines = [];

  #state: ReaderState = 'size';
  /** Of the present chunk: its size, then what is left of it. */
  #size = 0;
  #digits = 0;
  /** Whether the size line can stand as it is. */
  #form: 'canonical' | 'other' = 'canonical';
  #droppedBytes = 0;
  #extensionsBytes = 0;
  /** Where the present span began; −1 when none is open. */
  #spanFrom = -1;
  #prefix = '';
  /** Where the present size line began. */
  #sizeLineAt = 0;
  #trailerText = '';

  readonly #sender: ChunkSender;

  constructor(form: BodyForm, sender: ChunkSender) {
    this.form = form;
    this.#sender = sender;
  }

  get state(): 'more' | 'done' | 'faulty' {
    return this.#state === 'done' || this.#state === 'faulty' ? this.#state : 'more';
  }

  /** What it keeps of an unfinished trailer section. */
  get keptBytes(): number {
    return this.#state === 'trailer' ? this.#trailerText.length : 0;
  }

  /** Reads from `from` up to `to` or the end of the body, and returns the index after what it took. */
  read(bytes: Uint8Array, from: number, to: number): number {
    this.spans.length = 0;
    this.prefixes.length = 0;
    let at = from;
    if (this.#digits > 0) this.#form = 'other';
    if (this.form === 'framed' && isContent(this.#state)) this.#spanFrom = at;
    while (at < to && this.state === 'more') {
      if (this.#state === 'content') {
        const taken = Math.min(this.#size, to - at);
        if (this.#spanFrom === -1) this.#spanFrom = at;
        this.#size -= taken;
        this.contentBytes += taken;
        at += taken;
        if (this.#size === 0) {
          this.#state = 'content-cr';
          if (this.form === 'content') this.#closeSpan(at);
        }
      } else {
        this.#step(bytes[at] ?? 0, at);
        at += 1;
      }
    }
    // A size line that has not ended is held back until it has.
    if (this.#spanFrom !== -1) this.#closeSpan(this.#digits > 0 ? this.#sizeLineAt : at);
    return at;
  }

  /** One byte outside the content. */
  #step(byte: number, at: number): void {
    switch (this.#state) {
      case 'size':
        this.#sizeByte(byte, at);
        return;
      case 'blank':
        this.#blankByte(byte);
        return;
      case 'extension':
      case 'quoted':
      case 'escaped':
        this.#extensionByte(byte);
        return;
      case 'size-lf':
        if (byte === 0x0a) this.#sizeLineEnds(at);
        else this.#fail();
        return;
      case 'content-cr':
        if (byte === 0x0d) this.#state = 'content-lf';
        else this.#fail();
        return;
      case 'content-lf':
        if (byte === 0x0a) this.#chunkEnds();
        else this.#fail();
        return;
      case 'trailer':
        this.#trailerByte(byte);
        return;
      default:
    }
  }

  #sizeByte(byte: number, at: number): void {
    const value = hexValue(byte);
    if (value === -1) {
      if (this.#digits === 0) this.#fail();
      else this.#sizeDigitsEnd(byte);
      return;
    }
    if (this.#digits === 0) this.#sizeLineAt = at;
    else if (this.#size === 0) this.#drop();
    if (this.#size >= longSize) this.#fail();
    this.#size = this.#size * 16 + value;
    this.#digits += 1;
  }

  /** RFC 9112 §7.1.1: white space may stand before the semicolon of an extension, and nowhere else. */
  #sizeDigitsEnd(byte: number): void {
    if (byte === 0x0d) {
      this.#state = 'size-lf';
    } else if (byte === 0x3b || byte === 0x20 || byte === 0x09) {
      this.#state = byte === 0x3b ? 'extension' : 'blank';
      this.#drop();
    } else {
      this.#fail();
    }
  }

  #blankByte(byte: number): void {
    if (byte === 0x0d && this.#sender === 'client') this.#fail();
    else this.#sizeDigitsEnd(byte);
  }

  /** A quoted string that its line does not end (RFC 9112 §7.1.1) may go on, to another reader, behind that line. */
  #extensionByte(byte: number): void {
    this.#extensionsBytes += 1;
    if (byte === 0x0d && this.#state === 'extension') {
      this.#state = 'size-lf';
    } else if (valueChar[byte] === 1) {
      if (this.#state === 'escaped') this.#state = 'quoted';
      else if (byte === 0x22) this.#state = this.#state === 'quoted' ? 'extension' : 'quoted';
      else if (byte === 0x5c && this.#state === 'quoted') this.#state = 'escaped';
      this.#drop();
    } else {
      this.#fail();
    }
    if (this.#extensionsBytes > maxExtensionsBytes) this.#fail();
  }

  /** A byte of a size line does not go on. */
  #drop(): void {
    this.#form = 'other';
    this.#droppedBytes += 1;
    if (this.#droppedBytes > maxDroppedBytes) this.#fail();
  }

  #sizeLineEnds(at: number): void {
    this.#droppedBytes = 0;
    this.#digits = 0;
    if (this.#size === 0) {
      this.#state = 'trailer';
      if (this.#spanFrom !== -1) this.#closeSpan(this.#sizeLineAt);
      return;
    }
    this.#state = 'content';
    if (this.form === 'content') return;
    if (this.#form === 'canonical') {
      if (this.#spanFrom === -1) this.#spanFrom = this.#sizeLineAt;
      return;
    }
    if (this.#spanFrom !== -1) this.#closeSpan(this.#sizeLineAt);
    this.#prefix = `${this.#size.toString(16)}\r\n`;
    this.#spanFrom = at + 1;
  }

  #chunkEnds(): void {
    this.#state = 'size';
    this.#form = 'canonical';
  }

  #trailerByte(byte: number): void {
    this.#trailerText += String.fromCharCode(byte);
    const text = this.#trailerText;
    const bareLf = byte === 0x0a && !text.endsWith('\r\n');
    if (text.length > maxTrailerBytes || bareLf) {
      this.#fail();
    } else if (byte === 0x0a && (text === '\r\n' || text.endsWith('\r\n\r\n'))) {
      const section = scanFields(sourceOf(text), 0, maxTrailerLines);
      if (typeof section === 'string') {
        this.#fail();
      } else {
        this.trailers = section.lines;
        this.#state = 'done';
      }
    }
  }

  /** An empty span is none: its prefix waits for the bytes of the next read. */
  #closeSpan(to: number): void {
    if (to > this.#spanFrom) {
      this.spans.push(this.#spanFrom, to);
      this.prefixes.push(this.#prefix);
      this.#prefix = '';
    }
    this.#spanFrom = -1;
  }

  #fail(): void {
    this.#state = 'faulty';
    this.#spanFrom = -1;
  }
}

function isContent(state: ReaderState): boolean {
  return state === 'content' || state === 'content-cr' || state === 'content-lf';
}

function hexValue(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
