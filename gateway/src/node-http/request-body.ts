import type { Readable } from 'node:stream';

import { startPump, type Pump, type PumpSink } from './pump.ts';

/** A body in more pieces than this is put together, so that what it takes is what it counts. */
const maxPieces = 256;

/** What hears of a body on its way into one attempt. */
export interface BodyListener {
  /** Bytes of the client have been passed on. */
  progress(): void;
  /** All of the body has been handed on. */
  end(): void;
}

/** The body of a request, on its way from the client to one attempt after the other. */
export interface RequestBody {
  /** Whether an attempt that starts now would send it from its beginning. */
  replay(): 'possible' | 'impossible';
  /** Whether the client has sent all of it. */
  arrival(): 'whole' | 'part';
  /** Whether there are bytes that could be sent at once. */
  supply(): 'some' | 'none';
  /** Sends what is kept, and then goes on with what comes. Only one at a time; nothing is taken while none does. */
  send(sink: PumpSink, listener: BodyListener): Pump;
  /** It won't be sent again: nothing is kept from here on. */
  settle(): void;
}

export interface RequestBodyOptions {
  readonly source: Readable;
  /** Up to so many bytes are kept, to be sent again. */
  readonly replayBytes: number;
  /** So many bytes have been taken from the client; each byte once. May stop the pump that took them. */
  readonly taken: (bytes: number) => void;
}

/** Takes charge of a body of which nothing has been read. */
export function createRequestBody({ source, replayBytes, taken }: RequestBodyOptions): RequestBody {
  let pieces: Buffer[] = [];
  let keptBytes = 0;
  let keeping: 'all' | 'nothing' = 'all';

  const settle = (): void => {
    keeping = 'nothing';
    pieces = [];
  };
  const keep = (piece: Buffer): void => {
    if (keeping === 'nothing') return;
    keptBytes += piece.length;
    if (keptBytes > replayBytes) settle();
    else if (pieces.length < maxPieces) pieces.push(piece);
    else pieces = [Buffer.concat([...pieces, piece])];
  };
  return {
    replay: () => (keeping === 'all' ? 'possible' : 'impossible'),
    arrival: () => (source.readableEnded ? 'whole' : 'part'),
    supply: () => (keptBytes > 0 || source.readableLength > 0 ? 'some' : 'none'),
    send(sink, listener) {
      for (const piece of pieces) sink.write(piece);
      return startPump(source, sink, {
        chunk(bytes, piece) {
          keep(piece);
          listener.progress();
          taken(bytes);
        },
        end: () => {
          listener.end();
        },
      });
    },
    settle,
  };
}
