/** Close codes of RFC 6455 §7.4.1 and the registry it made: an endpoint goes away; a service restarts, come back soon. */
export const goingAway = 1001;
export const serviceRestart = 1012;

const closeOpcode = 0x8;
const shortHeader = 2;
const maskBytes = 4;

/**
 * Follows one direction of a WebSocket through the buffers it comes in (RFC 6455 §5.2), to find where a frame of the gateway's own may be put
 * between those of the peers. It judges nothing: bytes that are no frame make it lose its place, and then it finds no boundary any more.
 */
export class FrameBoundary {
  /** `boundary`: the next byte begins a frame; a Close may be put here, in the middle of a fragmented message too (§5.4). */
  at: 'boundary' | 'inside' = 'boundary';
  /** Whether a whole Close frame has passed: nothing may follow it (§5.5.1). */
  closeSeen = false;
  #opcode = 0;
  /** Header bytes read of the present frame, and how many it has. */
  #header = 0;
  #headerBytes = shortHeader;
  /** Bytes of the extended payload length. */
  #extended = 0;
  /** Payload bytes to come; more than can be counted when the length is impossible. */
  #left = 0;

  /** Takes bytes from `from` to `to`. Returns the index after the last frame that ends in them, −1 when none does. */
  add(bytes: Uint8Array, from: number, to: number): number {
    let boundary = -1;
    let at = from;
    while (at < to) {
      if (this.#header < this.#headerBytes) {
        this.#readHeader(bytes[at] ?? 0);
        at += 1;
      } else {
        const taken = Math.min(this.#left, to - at);
        this.#left -= taken;
        at += taken;
      }
      if (this.#header === this.#headerBytes && this.#left === 0) {
        this.#frameEnded();
        boundary = at;
      } else {
        this.at = 'inside';
      }
    }
    return boundary;
  }

  #readHeader(byte: number): void {
    const index = this.#header;
    this.#header += 1;
    if (index === 0) {
      this.#opcode = byte & 0x0f;
    } else if (index === 1) {
      const length = byte & 0x7f;
      this.#extended = length === 126 ? 2 : length === 127 ? 8 : 0;
      this.#left = this.#extended === 0 ? length : 0;
      this.#headerBytes = shortHeader + this.#extended + ((byte & 0x80) === 0 ? 0 : maskBytes);
    } else if (index < shortHeader + this.#extended) {
      this.#left = this.#left * 256 + byte;
      // An impossible length: the end of such a frame is never found.
      if (this.#left > Number.MAX_SAFE_INTEGER) this.#left = Infinity;
    }
  }

  #frameEnded(): void {
    if (this.#opcode === closeOpcode) this.closeSeen = true;
    this.at = 'boundary';
    this.#header = 0;
    this.#headerBytes = shortHeader;
    this.#extended = 0;
  }
}

/** A Close frame (RFC 6455 §5.5.1). `mask`: four unpredictable bytes towards a server, undefined towards a client (§5.1). */
export function closeFrame(code: number, mask: Uint8Array | undefined): Uint8Array {
  const payload = [code >> 8, code & 0xff];
  if (mask === undefined) return Uint8Array.of(0x80 | closeOpcode, payload.length, ...payload);
  const masked = payload.map((byte, index) => byte ^ (mask[index] ?? 0));
  return Uint8Array.of(0x80 | closeOpcode, 0x80 | payload.length, ...mask.subarray(0, maskBytes), ...masked);
}
