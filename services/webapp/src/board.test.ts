import { describe, expect, it } from 'vitest';

interface Outcome {
  readonly kind: 'answer' | 'failure';
  readonly [field: string]: unknown;
}
interface Lane {
  readonly instance: string;
  readonly color: number;
  readonly count: number;
}
interface Board {
  readonly seq: number;
  readonly answers: number;
  readonly failures: number;
  readonly lanes: readonly Lane[];
  readonly recent: readonly unknown[];
  readonly trouble: unknown;
}
interface BoardModule {
  emptyBoard(): Board;
  record(board: Board, outcome: Outcome): Board;
  laneState(board: Board, lane: Lane): 'answering' | 'new' | 'quiet';
  share(board: Board, lane: Lane): number;
  latencyQuantile(board: Board, part: number): number | undefined;
  readAnswer(status: number, body: unknown, latencyMs: number): Outcome;
  explain(failure: Outcome): { title: string; detail: string; attempt: string };
}

// The page's own script: it has no types and no build.
const url: string = new URL('../public/board.js', import.meta.url).href;
const { emptyBoard, record, laneState, share, latencyQuantile, readAnswer, explain } = (await import(
  url
)) as BoardModule;

const answer = (instance: string, latencyMs = 1) =>
  readAnswer(200, { service: 'api-service', instance, port: 1, pid: 2 }, latencyMs);
const failure = () => readAnswer(503, undefined, 1);

function play(instances: readonly string[], board = emptyBoard()): Board {
  return instances.reduce((state, instance) => record(state, answer(instance)), board);
}

function turns(instances: readonly string[], rounds: number): string[] {
  return Array.from({ length: rounds }, () => instances).flat();
}

function states(board: Board): Record<string, string> {
  return Object.fromEntries(board.lanes.map((lane) => [lane.instance, laneState(board, lane)]));
}

describe('the board', () => {
  it('gives each instance a lane and a colour of its own, in order of appearance', () => {
    const { lanes } = play(['a', 'b', 'a', 'c']);
    expect(lanes.map(({ instance, color, count }) => [instance, color, count])).toEqual([
      ['a', 0, 2],
      ['b', 1, 1],
      ['c', 2, 1],
    ]);
  });

  it('shows instances that take turns as answering, with equal shares', () => {
    const board = play(turns(['a', 'b', 'c'], 40));
    expect(states(board)).toEqual({ a: 'answering', b: 'answering', c: 'answering' });
    for (const lane of board.lanes) expect(share(board, lane)).toBeCloseTo(1 / 3);
  });

  it('shows a killed instance as quiet, soon, and as answering when it is back', () => {
    const killed = play(turns(['a', 'c'], 6), play(turns(['a', 'b', 'c'], 20)));
    expect(states(killed)).toMatchObject({ a: 'answering', b: 'quiet' });
    expect(states(play(['b'], killed))).toMatchObject({ b: 'answering' });
  });

  it('shows everybody as quiet when only failures come', () => {
    let board = play(turns(['a', 'b'], 10));
    for (let i = 0; i < 10; i += 1) board = record(board, failure());
    expect(states(board)).toEqual({ a: 'quiet', b: 'quiet' });
    expect(board.failures).toBe(10);
  });

  it('marks one that joins later as new, and not the first ones', () => {
    const board = play(turns(['a', 'b', 'n'], 3), play(turns(['a', 'b'], 20)));
    expect(states(board)).toEqual({ a: 'answering', b: 'answering', n: 'new' });
  });

  it('stays small, however long it runs and however many instances there were', () => {
    const board = play(Array.from({ length: 2000 }, (_, i) => `instance-${i}`));
    expect(board.recent).toHaveLength(120);
    expect(board.lanes).toHaveLength(32);
    expect(board.lanes.at(-1)?.instance).toBe('instance-1999');
    expect(board.answers).toBe(2000);
  });

  it('shows trouble until the next answer', () => {
    const troubled = record(play(['a']), failure());
    expect(troubled.trouble).toMatchObject({ reason: 'unavailable' });
    expect(play(['a'], troubled).trouble).toBeUndefined();
  });

  it('has no latency before the first answer, then quantiles', () => {
    expect(latencyQuantile(emptyBoard(), 0.5)).toBeUndefined();
    let board = emptyBoard();
    for (let i = 1; i <= 100; i += 1) board = record(board, answer('a', i));
    expect(latencyQuantile(board, 0.5)).toBe(51);
    expect(latencyQuantile(board, 0.95)).toBe(96);
    expect(latencyQuantile(board, 1)).toBe(100);
  });
});

describe('reading an answer', () => {
  it.each([
    [503, { detail: 'no instance' }, 'unavailable'],
    [404, { error: 'Not Found' }, 'unrouted'],
    [200, undefined, 'unrouted'],
    [200, 'a string', 'unrouted'],
    [200, null, 'unrouted'],
    [200, { instance: 7 }, 'unrouted'],
    [200, { instance: '' }, 'unrouted'],
    [500, {}, 'error'],
    [502, [], 'error'],
  ])('takes %i with %j as a failure: %s', (status, body, reason) => {
    const outcome = readAnswer(status, body, 1);
    expect(outcome).toMatchObject({ kind: 'failure', reason, status });
    expect(explain(outcome).title).not.toBe('');
  });
});
