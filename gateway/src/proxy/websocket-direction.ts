import type { Flow } from './ports.ts';
import { FrameBoundary } from './websocket-frames.ts';

/** Sends bytes to one side. They may be overwritten afterwards. */
export type SendBytes = (bytes: Buffer) => Flow;

/** One direction of a WebSocket: what comes from one side goes to the other, until a Close frame of the gateway's own ends it. */
export class WebSocketDirection {
  /** `closing`: the Close frame goes out as soon as the frame under way is whole. `closed`: it has; nothing may follow (RFC 6455 §5.5.1). */
  state: 'open' | 'closing' | 'closed' = 'open';
  readonly #send: SendBytes;
  readonly #frames = new FrameBoundary();
  #closeFrame: Uint8Array | undefined;

  constructor(send: SendBytes) {
    this.#send = send;
  }

  /** Whether the side that sends here has sent its own Close. */
  get closeSeen(): boolean {
    return this.#frames.closeSeen;
  }

  /** Passes on what may still be passed on. */
  carry(bytes: Buffer, from: number, to: number): Flow {
    const boundary = this.#frames.add(bytes, from, to);
    if (this.state === 'closed') return 'flowing';
    if (this.state === 'open' || boundary === -1) return this.#send(bytes.subarray(from, to));
    const fullness = this.#send(bytes.subarray(from, boundary));
    this.#sendClose();
    return fullness;
  }

  /** Ends it with this Close frame, at the end of the frame under way. */
  close(frame: Uint8Array): void {
    if (this.state !== 'open') return;
    this.state = 'closing';
    this.#closeFrame = frame;
    if (this.#frames.at === 'boundary') this.#sendClose();
  }

  #sendClose(): void {
    this.state = 'closed';
    if (!this.closeSeen && this.#closeFrame !== undefined) this.#send(Buffer.from(this.#closeFrame));
  }
}
