import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { IdentitySource } from '../identity.ts';
import { answerSignal, pause } from '../lifetime.ts';

/** How `GET /api/events` behaves. */
export interface EventsOptions {
  readonly identity: IdentitySource;
  /** Ends every stream. */
  readonly closing: AbortSignal;
  /** Time between two events. Default 1,000. */
  readonly intervalMs?: number;
}

/**
 * `GET /api/events`: server-sent events, one per interval, with increasing ids. After a reconnect with
 * `Last-Event-ID` it continues after that id. The stream ends when the client disconnects or the app closes, and a
 * client that reads slowly gets fewer events rather than a growing backlog.
 */
export function eventsRoute(app: FastifyInstance, options: EventsOptions): void {
  const { identity, closing, intervalMs = 1000 } = options;
  app.get('/api/events', { exposeHeadRoute: false }, async (request, reply) => {
    const { name, id } = await identity();
    const stream = events({
      firstId: nextEventId(request.headers['last-event-id']),
      data: { service: name, instance: id },
      intervalMs,
      signal: AbortSignal.any([closing, answerSignal(reply)]),
    });
    return reply
      .header('content-type', 'text/event-stream')
      .header('cache-control', 'no-store')
      .send(Readable.from(stream));
  });
}

interface EventStream {
  readonly firstId: number;
  readonly data: Readonly<Record<string, string>>;
  readonly intervalMs: number;
  readonly signal: AbortSignal;
}

async function* events({ firstId, data, intervalMs, signal }: EventStream): AsyncGenerator<string> {
  yield 'retry: 1000\n\n';
  for (let id = firstId; !signal.aborted; id += 1) {
    yield `id: ${id}\nevent: tick\ndata: ${JSON.stringify({ ...data, id })}\n\n`;
    if ((await pause(intervalMs, signal)) === 'aborted') return;
  }
}

function nextEventId(lastEventId: string | string[] | undefined): number {
  return typeof lastEventId === 'string' && /^\d{1,12}$/.test(lastEventId) ? Number(lastEventId) + 1 : 1;
}
