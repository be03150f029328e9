import { describeError } from './service-error.ts';

/** What of `process` is used. */
export interface ProcessLike {
  on(event: 'SIGTERM' | 'SIGINT', listener: (signal: 'SIGTERM' | 'SIGINT') => void): unknown;
  on(event: 'uncaughtException', listener: (error: unknown) => void): unknown;
  on(event: 'disconnect', listener: () => void): unknown;
  off(event: 'SIGTERM' | 'SIGINT', listener: (signal: 'SIGTERM' | 'SIGINT') => void): unknown;
  off(event: 'uncaughtException', listener: (error: unknown) => void): unknown;
  off(event: 'disconnect', listener: () => void): unknown;
  exit(code: number): void;
}

/** Something that is stopped before the process exits. */
export interface Member {
  /** Never rejects; bounded. */
  stop(): Promise<void>;
  /** Told why, before `stop()`. */
  announce(reason: ExitReason): void;
}

/** Why the process is going to exit. */
export type ExitReason =
  | { readonly kind: 'signal'; readonly signal: 'SIGTERM' | 'SIGINT' }
  | { readonly kind: 'disconnect' }
  | { readonly kind: 'fatal'; readonly message: string };

/** Ends the process in order on behalf of its services. */
export interface ExitGuard {
  /**
   * Listens to signals and fatal errors while it has members. The returned function takes the member out again. A member that
   * comes while the others stop is stopped as well, at once: the exit waits for it.
   */
  add(member: Member): () => void;
}

/** 128 + number, as a shell reports it. */
const signalNumbers = { SIGTERM: 15, SIGINT: 2 } as const;

/**
 * SIGTERM, SIGINT, and the end of the IPC channel by which a parent holds this process (a cluster primary or supervisor that
 * died can send no signal): stops all members, then exits with 0. An uncaught exception (an unhandled rejection becomes one, unless the
 * program listens to those itself): the same with 1. A signal during that exits at once with 128 + its number.
 */
export function createExitGuard(target: ProcessLike): ExitGuard {
  const members = new Set<Member>();
  const ends = new Set<Promise<void>>();
  /** Undefined while nothing is to end. */
  let stopping: ExitReason | undefined;
  let exitCode = 0;

  const end = (member: Member, reason: ExitReason): void => {
    member.announce(reason);
    const ended = Promise.allSettled([member.stop()]).then(() => {
      ends.delete(ended);
      if (ends.size === 0) target.exit(exitCode);
    });
    ends.add(ended);
  };
  const stopAll = (reason: ExitReason): void => {
    stopping = reason;
    // The handlers stay to the end, for the second signal.
    for (const member of members) end(member, reason);
  };
  const onSignal = (signal: 'SIGTERM' | 'SIGINT'): void => {
    if (stopping !== undefined) {
      target.exit(128 + signalNumbers[signal]);
      return;
    }
    stopAll({ kind: 'signal', signal });
  };
  const onDisconnect = (): void => {
    if (stopping === undefined) stopAll({ kind: 'disconnect' });
  };
  const onFatal = (error: unknown): void => {
    exitCode = 1;
    const reason: ExitReason = { kind: 'fatal', message: stackOf(error) };
    if (stopping !== undefined) {
      for (const member of members) member.announce(reason);
      return;
    }
    stopAll(reason);
  };

  return {
    add(member) {
      if (members.size === 0 && stopping === undefined) {
        target.on('SIGTERM', onSignal);
        target.on('SIGINT', onSignal);
        target.on('uncaughtException', onFatal);
        target.on('disconnect', onDisconnect);
      }
      members.add(member);
      if (stopping !== undefined) end(member, stopping);
      return () => {
        if (stopping !== undefined || !members.delete(member) || members.size > 0) return;
        target.off('SIGTERM', onSignal);
        target.off('SIGINT', onSignal);
        target.off('uncaughtException', onFatal);
        target.off('disconnect', onDisconnect);
      };
    },
  };
}

function stackOf(error: unknown): string {
  return error instanceof Error && error.stack !== undefined ? error.stack : describeError(error);
}
