/**
 * What the page knows: who answered, how often, how fast. Pure: every function returns a value and changes none.
 *
 * @typedef {{ kind: 'answer', service: string, instance: string, port: number, pid: number, latencyMs: number }} Answer
 * @typedef {{ kind: 'failure', reason: FailureReason, status: number, detail: string, latencyMs: number }} Failure
 * @typedef {'unavailable' | 'unrouted' | 'unreachable' | 'slow' | 'error'} FailureReason
 * @typedef {{ instance: string, service: string, port: number, pid: number, color: number,
 *             count: number, firstSeq: number, lastSeq: number, latencyMs: number }} Lane
 * @typedef {{ seq: number, answers: number, failures: number, lanes: Lane[], colors: number,
 *             recent: { seq: number, instance: string | undefined, color: number, latencyMs: number }[],
 *             trouble: Failure | undefined }} Board
 */

/** How many outcomes the timeline holds. */
export const windowSize = 120;
/** Of them, the newest that a share is counted over: few enough to show a newcomer's share soon. */
const shareWindow = 60;
/** More lanes than this are not kept: the ones silent for longest go. */
const maxLanes = 32;
/** Outcomes for which a lane that joined later is shown as new. */
const newFor = 25;

/** @returns {Board} */
export function emptyBoard() {
  return { seq: 0, answers: 0, failures: 0, lanes: [], colors: 0, recent: [], trouble: undefined };
}

/** The board after one more outcome. @param {Board} board @param {Answer | Failure} outcome @returns {Board} */
export function record(board, outcome) {
  const seq = board.seq + 1;
  if (outcome.kind === 'failure') {
    const bar = { seq, instance: undefined, color: -1, latencyMs: outcome.latencyMs };
    return {
      ...board,
      seq,
      failures: board.failures + 1,
      recent: [...board.recent, bar].slice(-windowSize),
      trouble: outcome,
    };
  }
  const known = board.lanes.find((lane) => lane.instance === outcome.instance);
  const { instance, service, port, pid, latencyMs } = outcome;
  const lane = {
    ...(known ?? { color: board.colors, count: 0, firstSeq: seq }),
    ...{ instance, service, port, pid, lastSeq: seq },
    latencyMs: known === undefined ? latencyMs : known.latencyMs * 0.9 + latencyMs * 0.1,
  };
  lane.count += 1;
  const lanes = known
    ? board.lanes.map((other) => (other === known ? lane : other))
    : newest([...board.lanes, lane]);
  return {
    seq,
    answers: board.answers + 1,
    failures: board.failures,
    lanes,
    colors: known ? board.colors : board.colors + 1,
    recent: [...board.recent, { seq, instance, color: lane.color, latencyMs }].slice(-windowSize),
    trouble: undefined,
  };
}

function newest(lanes) {
  if (lanes.length <= maxLanes) return lanes;
  const oldest = lanes.reduce((a, b) => (b.lastSeq < a.lastSeq ? b : a));
  return lanes.filter((lane) => lane !== oldest);
}

/**
 * `quiet`: the others, or failures, came so often in between that its turn must have been among them. Counted in
 * outcomes, not in seconds, so that a paused page shows no instance as gone.
 *
 * @param {Board} board @param {Lane} lane @returns {'answering' | 'new' | 'quiet'}
 */
export function laneState(board, lane) {
  const patience = Math.max(8, 3 * board.lanes.length);
  if (board.seq - lane.lastSeq > patience) return 'quiet';
  const joinedLater = lane.firstSeq > newFor;
  return joinedLater && board.seq - lane.firstSeq < newFor * board.lanes.length ? 'new' : 'answering';
}

/** Part of the latest answers that were this lane's, 0 to 1. @param {Board} board @param {Lane} lane */
export function share(board, lane) {
  const answered = board.recent.filter((bar) => bar.instance !== undefined).slice(-shareWindow);
  if (answered.length === 0) return 0;
  return answered.filter((bar) => bar.instance === lane.instance).length / answered.length;
}

/** The value below which `part` (0 to 1) of the answers in the window lie, in ms. @param {Board} board */
export function latencyQuantile(board, part) {
  const sorted = board.recent
    .filter((bar) => bar.instance !== undefined)
    .map((bar) => bar.latencyMs)
    .sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
}

/**
 * Reads an answer of `/api/whoami`. What isn't one, is a failure with a reason; nothing in it is trusted to be there.
 *
 * @param {number} status @param {unknown} body parsed JSON or undefined @returns {Answer | Failure}
 */
export function readAnswer(status, body, latencyMs) {
  const fields = typeof body === 'object' && body !== null ? body : {};
  if (status === 200 && typeof fields.instance === 'string' && fields.instance !== '') {
    const { service, instance, port, pid } = fields;
    return {
      kind: 'answer',
      service: String(service),
      instance,
      port: Number(port),
      pid: Number(pid),
      latencyMs,
    };
  }
  const detail = typeof fields.detail === 'string' ? fields.detail : '';
  const reason = status === 503 ? 'unavailable' : status === 404 || status === 200 ? 'unrouted' : 'error';
  return { kind: 'failure', reason, status, detail, latencyMs };
}

/** What to tell a person about a failure. @param {Failure} failure */
export function explain({ reason, status, detail }) {
  switch (reason) {
    case 'unavailable':
      return {
        title: 'No instance of the API is alive',
        detail:
          detail || 'The gateway knows the route, but has no instance for /api right now (503). Start one:',
        attempt: 'docker compose up -d --scale api=2\nnpm run demo',
      };
    case 'unrouted':
      return {
        title: 'Nobody serves /api here',
        detail: `The answer (${status}) is not the API's. This page is meant to be opened through the gateway:`,
        attempt: 'http://localhost:8080/',
      };
    case 'unreachable':
      return {
        title: 'The gateway does not answer',
        detail:
          'The browser could not reach it at all. Is it running? This page goes on by itself once it is back.',
        attempt: '',
      };
    case 'slow':
      return { title: 'No answer within 5 s', detail: 'The request was given up.', attempt: '' };
    default:
      return { title: `The API answered ${status}`, detail, attempt: '' };
  }
}
