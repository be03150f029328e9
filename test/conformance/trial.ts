import { expect } from 'vitest';

import { eventually } from '../kit/eventually.ts';
import { openRawClient, type RawClient } from '../kit/raw-client.ts';
import type { RawResponse } from '../kit/raw-message.ts';
import { startRecordingOrigin, type OriginScript, type RecordingOrigin } from '../kit/recording-origin.ts';
import { startSubject, type EngineName, type Subject, type SubjectOptions } from './subject.ts';

/** What a case works with. Everything is closed after it. */
export interface Trial {
  readonly origin: RecordingOrigin;
  readonly subject: Subject;
  client(): Promise<RawClient>;
  /** Sends one request on a connection of its own and gives the final response. */
  exchange(request: string, method?: string): Promise<RawResponse>;
}

/** One statement about an intermediary, with its id in docs/http-rules.md. */
export interface Case {
  /**
   * R01…, S1…, I1…, G1…; W for tunnels. Several cases of one statement are told apart by a letter (`R12b`), from `u` on where
   * one is about the instance's side of what another says of the client's.
   */
  readonly id: string;
  /** The statement, in the present tense. */
  readonly fact: string;
  readonly script?: OriginScript;
  readonly options?: SubjectOptions;
  readonly run: (trial: Trial) => Promise<void>;
}

/**
 * Runs a case, and then sees to what holds for every one of them: each exchange has ended, no exception of the engine's own came
 * up, and after `stop` nothing is open on either side.
 */
export async function runCase(engine: EngineName, { script, options, run }: Case): Promise<void> {
  const origin = await startRecordingOrigin(script);
  const subject = await startSubject(engine, [origin.port], options);
  const clients: RawClient[] = [];
  const client = async (): Promise<RawClient> => {
    const opened = await openRawClient(subject.port);
    clients.push(opened);
    return opened;
  };
  try {
    await run({
      origin,
      subject,
      client,
      exchange: async (request, method = 'GET') => {
        const single = await client();
        single.send(request);
        for (;;) {
          const response = await single.response(method);
          if (response.status >= 200) return response;
        }
      },
    });
    for (const open of clients) open.destroy();
    await eventually(() => {
      expect(subject.engine.stats()).toMatchObject({ clientConnections: 0, exchanges: 0 });
    });
    expect(subject.exchanges.log.filter(({ end }) => end === undefined)).toEqual([]);
  } finally {
    for (const open of clients) open.destroy();
    await subject.stop();
    try {
      await eventually(() => {
        expect(origin.open()).toBe(0);
      });
    } finally {
      await origin.close();
    }
  }
  expect(subject.faults).toEqual([]);
  expect(subject.engine.stats()).toEqual({ clientConnections: 0, exchanges: 0, upstreamConnections: 0 });
}

/** A request text: request line, Host, more lines, body. */
export function message(line: string, fields: readonly string[] = [], body = ''): string {
  return [`${line} HTTP/1.1`, 'Host: h', ...fields, '', body].join('\r\n');
}

/** A chunk of a chunked body. */
export function chunk(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n`;
}

/** For promises of 100 ms: ten times that allows for a busy machine, and still tells a leak from a delay. */
export const busyMachineMs = 1_000;
