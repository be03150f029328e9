/**
 * The load of the chaos suite, in a process of its own: an open loop that sends a request every 1/rate seconds whether or not earlier ones are
 * answered, over keep-alive connections, a mix of methods, some with bodies. Every request has an id; every answer is checked against it.
 * Progress goes to stdout as one line of JSON every 100 ms; SIGTERM ends the sending, and the last line is the report.
 *
 *     load-client '{"url": …, "targets": [{"path": "/api/x", "service": "api-service"}], "perSecond": 1000, "mix": "all", "run": "r1"}'
 */
import { createHash } from 'node:crypto';
import http from 'node:http';

interface Target {
  readonly path: string;
  readonly service: string;
}

interface Options {
  readonly url: string;
  readonly targets: readonly Target[];
  readonly perSecond: number;
  readonly mix: 'all' | 'idempotent';
  /** Prefix of the ids. */
  readonly run: string;
  /** Without a whole answer after so long a request has failed. */
  readonly patienceMs: number;
}

const options = JSON.parse(process.argv[2] ?? '{}') as Options;
const base = new URL(options.url);
const agent = new http.Agent({ keepAlive: true, maxFreeSockets: 1_024 });
const progressMs = 100;
const samplesPerKind = 5;

/** Of ten requests; POST is what may not be executed twice. */
const mixes: Readonly<Record<Options['mix'], readonly string[]>> = {
  all: ['GET', 'POST', 'GET', 'GET', 'PUT', 'GET', 'POST', 'HEAD', 'GET', 'DELETE'],
  idempotent: ['GET', 'GET', 'PUT', 'GET', 'GET', 'HEAD', 'GET', 'GET', 'DELETE', 'GET'],
};

let sent = 0;
let answered = 0;
let failed = 0;
const failures: Record<string, number> = {};
const samples: Record<string, string[]> = {};
const failedNumbers: number[] = [];
const crossed: string[] = [];
const byInstance: Record<string, number> = {};
let recent: Record<string, number> = {};
let recentFailed = 0;
const latencies: number[] = [];
const pending = new Set<Promise<void>>();
const started = performance.now();

class Failure extends Error {}

async function one(n: number): Promise<void> {
  const methods = mixes[options.mix];
  const method = methods[n % methods.length] ?? 'GET';
  const target = options.targets[n % options.targets.length];
  if (target === undefined) throw new Error('no target');
  const id = `${options.run}-${n}`;
  const body = method === 'POST' || method === 'PUT' ? id.repeat(1 + (n % 50)) : '';
  const from = performance.now();
  try {
    const instance = await exchange({ id, method, target, body, chunked: n % 4 === 0 });
    answered += 1;
    byInstance[instance] = (byInstance[instance] ?? 0) + 1;
    recent[instance] = (recent[instance] ?? 0) + 1;
    latencies.push(performance.now() - from);
  } catch (error) {
    const kind = `${method} ${error instanceof Failure ? error.message : code(error)}`;
    failed += 1;
    recentFailed += 1;
    failures[kind] = (failures[kind] ?? 0) + 1;
    failedNumbers.push(n);
    const kept = (samples[kind] ??= []);
    if (kept.length < samplesPerKind) {
      kept.push(
        `${id} sent at ${Math.round(from - started)} ms, failed after ${Math.round(performance.now() - from)} ms`,
      );
    }
  }
}

function code(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

interface Asked {
  readonly id: string;
  readonly method: string;
  readonly target: Target;
  readonly body: string;
  readonly chunked: boolean;
}

/** Resolves with the instance that answered; everything but the right answer rejects. */
function exchange(asked: Asked): Promise<string> {
  const { id, method, target, body, chunked } = asked;
  const headers: Record<string, string | number> = { 'x-chaos-id': id };
  if (body !== '' && !chunked) headers['content-length'] = body.length;
  return new Promise((resolve, reject) => {
    const request = http.request(
      { agent, host: base.hostname, port: base.port, method, path: `${target.path}?id=${id}`, headers },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (more: string) => (text += more));
        response.on('error', (error) => {
          clearTimeout(patience);
          reject(error);
        });
        response.on('end', () => {
          clearTimeout(patience);
          const verdict = response.complete ? judge(asked, response, text) : 'answer cut';
          if (verdict === undefined) resolve(String(response.headers['x-chaos-instance']));
          else reject(new Failure(verdict));
        });
      },
    );
    const patience = setTimeout(() => {
      request.destroy(new Failure('no answer in time'));
    }, options.patienceMs);
    request.on('error', (error) => {
      clearTimeout(patience);
      reject(error);
    });
    request.end(body === '' ? undefined : body);
  });
}

/** What is wrong with an answer. Somebody else's answer is the worst, and kept apart. */
function judge(asked: Asked, response: http.IncomingMessage, text: string): string | undefined {
  const { headers, statusCode = 0 } = response;
  const { id, method, target, body } = asked;
  const said = headers['x-chaos-id'];
  const service = headers['x-chaos-service'];
  if ((said !== undefined && said !== id) || (service !== undefined && service !== target.service)) {
    crossed.push(`${id} for ${target.service} was answered as ${String(said)} by ${String(service)}`);
    return 'crossed';
  }
  if (statusCode !== 200)
    return `${statusCode} ${said === undefined ? problem(text) : 'of the service'}`.trim();
  if (said === undefined || service === undefined) {
    crossed.push(`${id} for ${target.service} was answered by a stranger: ${text.slice(0, 80)}`);
    return 'crossed';
  }
  if (method === 'HEAD') return undefined;
  const wanted = { id, bytes: body.length, sha1: createHash('sha1').update(body).digest('hex') };
  const got = JSON.parse(text) as typeof wanted;
  if (got.id !== id) {
    crossed.push(`${id} got the body of ${got.id}`);
    return 'crossed';
  }
  return got.bytes === wanted.bytes && got.sha1 === wanted.sha1 ? undefined : 'body changed on the way';
}

/** The gateway's own code for a failure, from its problem document. */
function problem(text: string): string {
  try {
    const { code, type, title } = JSON.parse(text) as Readonly<Record<string, unknown>>;
    return String(code ?? type ?? title);
  } catch {
    return text.slice(0, 60).replaceAll(/\s+/g, ' ');
  }
}

function percentile(share: number): number {
  const sorted = latencies.toSorted((a, b) => a - b);
  return Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 10) / 10;
}

function say(what: object): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

const tick = setInterval(() => {
  const due = Math.floor(((performance.now() - started) / 1_000) * options.perSecond);
  for (; sent < due; sent += 1) {
    const request = one(sent);
    pending.add(request);
    void request.finally(() => pending.delete(request));
  }
}, 2);

const progress = setInterval(() => {
  const atMs = Math.round(performance.now() - started);
  say({ kind: 'progress', atMs, sent, answered, failed, pending: pending.size, recent, recentFailed });
  recent = {};
  recentFailed = 0;
}, progressMs);

process.once('SIGTERM', () => {
  clearInterval(tick);
  void Promise.all(pending).then(() => {
    clearInterval(progress);
    const atMs = Math.round(performance.now() - started);
    say({
      kind: 'report',
      ...{ atMs, sent, answered, failed, failures, samples, failedNumbers, crossed, byInstance },
      latencyMs: { p50: percentile(0.5), p99: percentile(0.99), max: percentile(1) },
    });
    agent.destroy();
  });
});
