import http from 'node:http';

/** How one request of a load went. */
export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** What a load has seen so far. */
export interface LoadReport {
  readonly sent: number;
  readonly answered: number;
  /** Everything that is not a 200: connection errors by code, other statuses with the start of their body. */
  readonly failures: readonly string[];
  /** Answers by the member `instance` of their JSON body. */
  readonly byInstance: ReadonlyMap<string, number>;
}

/** An open-loop load: a request every 1/rate seconds, whether or not earlier ones have been answered. */
export interface Load {
  report(): LoadReport;
  /** Sends no more, waits for the answers that are due, and resolves with the final report. */
  stop(): Promise<LoadReport>;
}

/**
 * GETs `url` at `perSecond` over keep-alive connections until stopped. What becomes due while `maxPending` requests wait for their answers
 * is left out; default: nothing is.
 */
export function startLoad(url: string, perSecond: number, maxPending = Infinity): Load {
  const agent = new http.Agent({ keepAlive: true });
  const failures: string[] = [];
  const byInstance = new Map<string, number>();
  let sent = 0;
  let dueSoFar = 0;
  let answered = 0;
  const pending = new Set<Promise<void>>();
  const startedMs = performance.now();

  const one = async (): Promise<void> => {
    try {
      const { status, body } = await get(url, agent);
      answered += 1;
      if (status === 200) {
        const instance = instanceOf(body);
        byInstance.set(instance, (byInstance.get(instance) ?? 0) + 1);
      } else {
        failures.push(`${status} ${body.slice(0, 300)}`);
      }
    } catch (error) {
      failures.push(error instanceof Error && 'code' in error ? String(error.code) : String(error));
    }
  };
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startedMs) / 1000) * perSecond);
    for (; dueSoFar < due; dueSoFar += 1) {
      if (pending.size >= maxPending) continue;
      sent += 1;
      const request = one();
      pending.add(request);
      void request.finally(() => pending.delete(request));
    }
  }, 1000 / perSecond);

  const report = (): LoadReport => ({
    sent,
    answered,
    failures: [...failures],
    byInstance: new Map(byInstance),
  });
  return {
    report,
    async stop() {
      clearInterval(timer);
      await Promise.all(pending);
      agent.destroy();
      return report();
    },
  };
}

/** One GET. Rejects with the system error when there is no whole answer within 30 s. */
export function get(url: string, agent?: http.Agent, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.get(
      url,
      { ...(agent === undefined ? {} : { agent }), headers, timeout: 30_000 },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (text: string) => (body += text));
        response.on('end', () => {
          if (response.complete) resolve({ status: response.statusCode ?? 0, body });
          else reject(new Error('the answer was cut'));
        });
        response.on('error', reject);
      },
    );
    request.on('timeout', () => request.destroy(new Error('no answer within 30 s')));
    request.on('error', reject);
  });
}

function instanceOf(body: string): string {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && 'instance' in parsed) return String(parsed.instance);
  } catch {
    // Not JSON: counted under its text.
  }
  return body.slice(0, 60);
}
