import { expect, onTestFinished } from 'vitest';

import { openRawClient, type RawClient } from '../kit/raw-client.ts';
import { startRecordingOrigin, type OriginScript, type RecordingOrigin } from '../kit/recording-origin.ts';
import { startSubject, type EngineName, type Subject, type SubjectOptions } from './subject.ts';

/** What an engine counts when it holds nothing. */
export const nothing = { clientConnections: 0, exchanges: 0, upstreamConnections: 0 };

/** An origin that is closed after the test. */
export async function startOrigin(script?: OriginScript): Promise<RecordingOrigin> {
  const origin = await startRecordingOrigin(script);
  onTestFinished(() => origin.close());
  return origin;
}

/** An engine in front of origins; after the test it stops, with nothing left open and no exception of its own. */
export async function startEngine(
  engine: EngineName,
  ports: readonly number[],
  options?: SubjectOptions,
): Promise<Subject> {
  const subject = await startSubject(engine, ports, options);
  onTestFinished(async () => {
    await subject.stop();
    expect(subject.faults).toEqual([]);
    expect(subject.engine.stats()).toEqual(nothing);
  });
  return subject;
}

/** A client that is closed after the test. */
export async function openClient(port: number): Promise<RawClient> {
  const client = await openRawClient(port);
  onTestFinished(() => {
    client.destroy();
  });
  return client;
}
