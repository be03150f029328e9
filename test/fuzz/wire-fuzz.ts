import { lookup } from 'node:dns';
import { createServer, METHODS, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { finished } from 'node:stream/promises';

import type { RequestHead } from '../../gateway/src/http/message.ts';
import { createWireEngine } from '../../gateway/src/http1/wire-engine.ts';
import type { AnswerStep } from '../../gateway/src/exchange/seam.ts';
import { createScriptedExchanges, type ExchangeLog } from '../conformance/scripted-exchanges.ts';
import { usualTimeouts } from '../conformance/subject.ts';
import { MemoryBudget } from '../../gateway/src/sockets/memory-budget.ts';
import { endpointAt } from '../kit/builders.ts';
import { createRandom, mutant, type Random } from './mutation.ts';

/** What a run has found; every list is empty when all is well. */
export interface FuzzReport {
  readonly messages: number;
  /** Requests that Node's strict parser read from what the engine forwarded. */
  readonly forwarded: number;
  /** Bytes that reached the instance and that Node does not take for a request, or reads differently. */
  readonly ambiguous: readonly string[];
  /** Clients that were neither answered nor let go. */
  readonly hung: readonly string[];
  readonly faults: readonly unknown[];
  /** Connections and exchanges that the engine still counts when all clients have gone. */
  readonly leaked: number;
}

const known = new Set(METHODS);
const hangMs = 10_000;

/** What the exchange's rules would refuse, and Node's parser doesn't know. */
function refuseUnknown({ method, target }: RequestHead): AnswerStep | undefined {
  const passes = known.has(method) && method !== 'CONNECT' && /^\/[\x21-\x7e]*$/.test(target);
  return passes ? undefined : { kind: 'answer', status: 400, fields: [], body: 'no', connection: 'keep' };
}

/** What a client gets whose request has failed. */
const failed: AnswerStep = { kind: 'answer', status: 502, fields: [], body: 'failed', connection: 'keep' };

const idOf = (method: string, target: string, fields: readonly string[], bytes: number): string =>
  JSON.stringify([method, target, fields, bytes]);

/** What has been seen so far, by the identity of a request. */
interface Findings {
  /** Read whole by the origin, and not yet claimed by an exchange. */
  readonly read: Map<string, number>;
  /** Exchanges that ended without an answer: the origin may have read their request, or may yet. */
  readonly unanswered: Map<string, number>;
  readonly ambiguous: string[];
}

/**
 * Sends `messages` mutated requests through the wire engine to an origin on Node's own strict parser. Whatever gets there must
 * be exactly one of the requests that the engine says it forwarded, field for field and with a body of the length it says.
 */
export async function fuzzWire(options: {
  seed: number;
  messages: number;
  concurrency: number;
}): Promise<FuzzReport> {
  const random = createRandom(options.seed);
  const faults: unknown[] = [];
  const ambiguous: string[] = [];
  const hung: string[] = [];
  const read = new Map<string, number>();
  const findings: Findings = { read, unanswered: new Map(), ambiguous };
  let forwarded = 0;

  const origin = createServer({ requireHostHeader: false, maxHeaderSize: 65_536 }, (request, response) => {
    let bytes = 0;
    request.on('error', () => undefined);
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    request.on('end', () => {
      forwarded += 1;
      count(read, idOfRead(request, bytes));
      response.end('ok');
    });
  });
  origin.maxHeadersCount = 0;
  origin.on('checkContinue', (request: IncomingMessage, response) =>
    origin.emit('request', request, response),
  );
  origin.on('checkExpectation', (request: IncomingMessage, response) =>
    origin.emit('request', request, response),
  );
  origin.on('clientError', (error: NodeJS.ErrnoException & { rawPacket?: Buffer }, socket) => {
    // A client that broke off takes the connection with it; that is not a message.
    if (error.code?.startsWith('HPE_') === true && error.code !== 'HPE_INVALID_EOF_STATE')
      ambiguous.push(`${error.code}: ${JSON.stringify(error.rawPacket?.toString('latin1'))}`);
    socket.destroy();
  });
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
  const originPort = (origin.address() as AddressInfo).port;

  const exchanges = createScriptedExchanges({
    endpoints: [endpointAt(originPort)],
    timeouts: usualTimeouts,
    // Without retries, so that the origin reads each request once.
    script: { begin: refuseUnknown, failed: () => failed },
  });
  const engine = createWireEngine({
    exchanges,
    limits: {
      requestHeadMs: 1000,
      keepAliveMs: 1000,
      headBytes: 16_384,
      headLines: 100,
      bodyBytes: 0,
      connections: 100_000,
      connectionsPerAddress: 0,
      memoryBytes: 0,
      minBytesPerSecond: 0,
      paceMs: 1_000,
    },
    poolIdleMs: 1000,
    maxUpstreamConnections: Infinity,
    isExempt: () => false,
    onCrowding: () => undefined,
    onExhausted: () => undefined,
    memory: new MemoryBudget({ bytes: 2 ** 30, heapBytes: 2 ** 30 }),
    replayBytes: 65_536,
    lookup,
    onFault: (fault) => faults.push(fault),
  });
  const { port } = await engine.listen({ host: '127.0.0.1', port: 0 });

  let sent = 0;
  const worker = async (): Promise<void> => {
    while (sent < options.messages) {
      sent += 1;
      const message = mutant(random);
      if ((await send(port, message, random)) === 'hung') hung.push(JSON.stringify(message));
      // Logs are judged in batches, so that a long run keeps little.
      if (exchanges.log.length > 5_000) judge(exchanges.takeEnded(), findings);
    }
  };
  await Promise.all(Array.from({ length: options.concurrency }, worker));
  await engine.stop(1000);
  judge(exchanges.takeEnded(), findings);
  for (const id of read.keys())
    if (!uncount(findings.unanswered, id)) ambiguous.push(`read by the origin, but not forwarded: ${id}`);
  origin.closeAllConnections();
  await new Promise((resolve) => origin.close(resolve));
  const { clientConnections, exchanges: running, upstreamConnections } = engine.stats();
  return {
    messages: sent,
    forwarded,
    ambiguous,
    hung,
    faults,
    leaked: clientConnections + running + upstreamConnections,
  };
}

function idOfRead({ method, url, rawHeaders }: IncomingMessage, bytes: number): string {
  return idOf(method ?? '', url ?? '', without(rawHeaders, isFraming), bytes);
}

function count(counts: Map<string, number>, id: string): void {
  counts.set(id, (counts.get(id) ?? 0) + 1);
}

/** Whether there was one, which is then gone. */
function uncount(counts: Map<string, number>, id: string): boolean {
  const present = counts.get(id);
  if (present === undefined) return false;
  if (present === 1) counts.delete(id);
  else counts.set(id, present - 1);
  return true;
}

const without = (fields: readonly string[], drops: (name: string) => boolean): readonly string[] =>
  fields.filter((_, i) => !drops(fields[i - (i % 2)] ?? ''));

function isFraming(name: string): boolean {
  return ['content-length', 'transfer-encoding', 'connection', 'te', 'upgrade'].includes(name.toLowerCase());
}

/** Removes each finished exchange from the requests that the origin has read; the rest was not forwarded by the gateway. */
function judge(ended: readonly ExchangeLog[], { read, unanswered, ambiguous }: Findings): void {
  for (const { head, end, responses } of ended) {
    const fields = without(head.fields, droppedOf(head));
    const id = idOf(head.method, head.target, fields, end?.requestBytes ?? 0);
    if (responses.length === 0) count(unanswered, id);
    else if (!uncount(read, id)) ambiguous.push(`answered, but read differently by the origin: ${id}`);
  }
}

/** What doesn't reach an instance, what `Connection` names among it; from HTTP/1.0 also any expectation, which is nothing there (RFC 9110 §10.1.1). */
function droppedOf({ version, fields }: RequestHead): (name: string) => boolean {
  const dropped = version === '1.0' ? ['keep-alive', 'trailer', 'expect'] : ['keep-alive', 'trailer'];
  const nominated = fields.flatMap((value, i) =>
    fields[i - 1]?.toLowerCase() === 'connection' && i % 2 === 1
      ? value.split(',').map((name) => name.trim().toLowerCase())
      : [],
  );
  return (name) => isFraming(name) || [...dropped, ...nominated].includes(name.toLowerCase());
}

/** Sends one message in up to three pieces and ends; resolves when the engine has let go of the connection. */
async function send(port: number, message: string, random: Random): Promise<'done' | 'hung'> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  const timer = setTimeout(() => socket.destroy(new Error('hung')), hangMs);
  socket.resume();
  const cuts = [random.below(message.length + 1), random.below(message.length + 1)].sort((a, b) => a - b);
  const pieces = [message.slice(0, cuts[0]), message.slice(cuts[0], cuts[1]), message.slice(cuts[1])];
  for (const piece of pieces) {
    if (piece === '') continue;
    if (!socket.destroyed && socket.writable) socket.write(piece, 'latin1');
    if (random.below(2) === 0) await new Promise(setImmediate);
  }
  socket.end();
  try {
    await finished(socket);
    return 'done';
  } catch (error) {
    return error instanceof Error && error.message === 'hung' ? 'hung' : 'done';
  } finally {
    clearTimeout(timer);
  }
}
