import type { FieldLines } from '../http/field-lines.ts';
import type { AttemptTimeouts } from '../routing/policy.ts';
import type { HeaderFacts } from '../http/header-facts.ts';

/**
 * When an exchange has to be over, all attempts and waits included. The route's own time, or less where a trusted peer says that
 * it will not wait that long.
 */
export interface Deadline {
  /** Monotonic ms; `Infinity` for none. */
  readonly atMs: number;
  /** `route`: the operator's. `client`: a trusted peer has lowered it; says nothing about an instance that was too slow for it. */
  readonly source: 'route' | 'client';
  /** Whether the peer spoke gRPC's dialect too; it is answered in the same. */
  readonly grpc: 'absent' | 'lowered';
}

/** No deadline. */
export const noDeadline: Deadline = { atMs: Number.POSITIVE_INFINITY, source: 'route', grpc: 'absent' };

/** Less than a timer can tell from nothing. */
const leastMs = 1;

/** What a trusted peer said about time. */
type TimeoutClaims = HeaderFacts['claims'];

/** The deadline of an exchange that began at `startedMs`: the smaller of the route's `totalMs` (0: none) and what a trusted peer said. */
export function deadlineOf(startedMs: number, totalMs: number, said: TimeoutClaims): Deadline {
  if (totalMs === 0 && said === undefined) return noDeadline;
  const grpcMs = readGrpcTimeout(said?.['grpc-timeout']);
  const clientMs = Math.min(
    readRequestTimeout(said?.['request-timeout']) ?? Number.POSITIVE_INFINITY,
    grpcMs ?? Number.POSITIVE_INFINITY,
  );
  const routeMs = totalMs === 0 ? Number.POSITIVE_INFINITY : totalMs;
  if (clientMs === routeMs && clientMs === Number.POSITIVE_INFINITY) return noDeadline;
  return {
    atMs: startedMs + Math.min(clientMs, routeMs),
    source: clientMs < routeMs ? 'client' : 'route',
    grpc: grpcMs === undefined ? 'absent' : 'lowered',
  };
}

/** Whether nothing can be begun any more. */
export function isOver(deadline: Deadline, nowMs: number): boolean {
  return deadline.atMs - nowMs < leastMs;
}

/** Timeouts of an attempt that starts now: none lasts beyond the deadline. Whole milliseconds, rounded up. */
export function timeoutsUntil(timeouts: AttemptTimeouts, deadline: Deadline, nowMs: number): AttemptTimeouts {
  if (deadline === noDeadline) return timeouts;
  const totalMs = Math.ceil(deadline.atMs - nowMs);
  const { connectMs, responseHeadMs, idleMs, tryMs } = timeouts;
  return {
    connectMs: Math.min(connectMs, totalMs),
    responseHeadMs: Math.min(responseHeadMs, totalMs),
    idleMs,
    tryMs: Math.min(tryMs, totalMs),
    totalMs,
  };
}

/** Tells the instance how long the answer is wanted: `fields` has neither field any more where they are ours to write. */
export function withDeadline(fields: FieldLines, deadline: Deadline, nowMs: number): FieldLines {
  if (deadline === noDeadline) return fields;
  const leftMs = Math.ceil(deadline.atMs - nowMs);
  const told = [...fields, 'X-Request-Timeout', String(leftMs)];
  if (deadline.grpc === 'lowered') told.push('grpc-timeout', writeGrpcTimeout(leftMs));
  return told;
}

/** Timers count in 31 bits of milliseconds: 24 days. More than that is cut to it. */
const mostMs = 2_147_483_647;

/** Whole milliseconds, at least 1. Anything else counts as absent. */
export function readRequestTimeout(value: string | undefined): number | undefined {
  if (value === undefined || !/^[0-9]{1,12}$/.test(value)) return undefined;
  const ms = Number(value);
  return ms < leastMs ? undefined : Math.min(ms, mostMs);
}

const grpcUnitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};

/** gRPC over HTTP/2, "Timeout": up to eight digits and a unit, positive. Anything else counts as absent. Rounded up to milliseconds. */
export function readGrpcTimeout(value: string | undefined): number | undefined {
  const [, digits, unit] = /^([0-9]{1,8})([HMSmun])$/.exec(value ?? '') ?? [];
  if (digits === undefined || unit === undefined) return undefined;
  const ms = Math.ceil(Number(digits) * (grpcUnitMs[unit] ?? 0));
  return ms < leastMs ? undefined : Math.min(ms, mostMs);
}

/** In milliseconds as long as eight digits hold them, in seconds (rounded up) beyond. */
export function writeGrpcTimeout(ms: number): string {
  return ms < 100_000_000 ? `${ms}m` : `${Math.ceil(ms / 1000)}S`;
}
