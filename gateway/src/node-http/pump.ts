import type { Readable } from 'node:stream';

/** What hears of a pump's progress. */
export interface PumpListener {
  /** A chunk of this many bytes is about to be passed on. May stop the pump. */
  chunk(bytes: number, chunk: Buffer): void;
  /** The source has ended and everything has been handed on. The sink is left open. */
  end(): void;
}

/** What a pump writes to; a `Writable` is one. */
export interface PumpSink {
  /** False when it wants its writer to wait for `drain`. */
  write(chunk: Buffer): boolean;
  on(event: 'drain', listener: () => void): unknown;
  off(event: 'drain', listener: () => void): unknown;
}

/** Bytes on their way from a source to a sink. */
export interface Pump {
  /** Stops taking bytes and lets go of both streams. Unread bytes stay in the source. Repeated calls do nothing. */
  stop(): void;
}

/**
 * Moves bytes from `source` to `sink` and no faster than the sink takes them: what lies between is bounded by the two streams'
 * high water marks. Unlike `pipe` and `pipeline` it neither ends nor destroys anything: a cut must stay visible (RFC 9112 §8),
 * and who is destroyed is the owner's decision.
 */
export function startPump(source: Readable, sink: PumpSink, listener: PumpListener): Pump {
  let state: 'running' | 'stopped' = 'running';
  const onData = (chunk: Buffer): void => {
    listener.chunk(chunk.length, chunk);
    if (state === 'running' && !sink.write(chunk)) source.pause();
  };
  const onDrain = (): void => {
    source.resume();
  };
  const onEnd = (): void => {
    stop();
    listener.end();
  };
  const stop = (): void => {
    if (state === 'stopped') return;
    state = 'stopped';
    source.off('data', onData);
    source.off('end', onEnd);
    sink.off('drain', onDrain);
    source.pause();
  };
  if (source.readableEnded) {
    // A source that an earlier pump has emptied says so only once.
    onEnd();
    return { stop };
  }
  source.on('end', onEnd);
  sink.on('drain', onDrain);
  source.on('data', onData);
  source.resume();
  return { stop };
}
