import { FrameBoundary } from './websocket-frames.ts';

/** Sends bytes to one side. They may be overwritten afterwards. `full`: it takes no more for now. */
export type SendBytes = (bytes: Buffer) => 'flowing' | 'full';

/** One way of a WebSocket: what comes from one side goes to the other, until a Close frame of ours ends it. */
export class WebSocketWay {
  /** `leaving`: our Close goes out as soon as the frame under way is whole. `closed`: it has; nothing may follow (§5.5.1). */
  state: 'open' | 'leaving' | 'closed' = 'open';
  readonly #send: SendBytes;
  readonly #frames = new FrameBoundary();
  #farewell: Uint8Array | undefined;

  constructor(send: SendBytes) {
    this.#send = send;
  }

  /** Whether the side that sends here has sent its own Close. */
  get closeSeen(): 'no' | 'yes' {
    return this.#frames.closeSeen;
  }

  /** Passes on what still may be; `full`: the other side takes no more for now. */
  carry(bytes: Buffer, from: number, to: number): 'flowing' | 'full' {
    const boundary = this.#frames.add(bytes, from, to);
    if (this.state === 'closed') return 'flowing';
    if (this.state === 'open' || boundary === -1) return this.#send(bytes.subarray(from, to));
    const fullness = this.#send(bytes.subarray(from, boundary));
    this.#close();
    return fullness;
  }

  /** Ends it with this Close frame, at the end of the frame under way. */
  leave(farewell: Uint8Array): void {
    if (this.state !== 'open') return;
    this.state = 'leaving';
    this.#farewell = farewell;
    if (this.#frames.at === 'boundary') this.#close();
  }

  #close(): void {
    this.state = 'closed';
    if (this.closeSeen === 'no' && this.#farewell !== undefined) this.#send(Buffer.from(this.#farewell));
  }
}
