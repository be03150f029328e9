/**
 * `node dist/healthcheck.js`: exits 0 when the instance on `PORT` (default 3000, as in the image) answers
 * `GET /healthz` with 200 within two seconds, otherwise 1. For a container's HEALTHCHECK.
 */
const { PORT: port = '3000' } = process.env;
const url = `http://127.0.0.1:${port}/healthz`;

try {
  const { status } = await fetch(url, { signal: AbortSignal.timeout(2000) });
  console.log(`${url}: ${status}`);
  process.exitCode = status === 200 ? 0 : 1;
} catch (error) {
  // The message of fetch() is always the same; the cause has the reason.
  const reason = error instanceof Error ? (error.cause ?? error) : error;
  console.error(`${url}: ${reason instanceof Error ? reason.message : 'failed'}`);
  process.exitCode = 1;
}
