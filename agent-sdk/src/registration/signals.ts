import { type Clock, systemClock } from './clock.ts';
import { stackOf } from './service-error.ts';

/** What of `process` is used. */
export type ProcessLike = Pick<NodeJS.EventEmitter, 'on' | 'once' | 'off' | 'listenerCount'> & {
  exit(code: number): void;
};

/**
 * Stops one service before the process exits. Never rejects; bounded. Called again when a fatal error or a second signal
 * comes during the stop; then it only takes note of the reason.
 */
export type ShutdownHook = (reason: ExitReason) => Promise<void>;

/** Why the process is going to exit. */
export type ExitReason =
  | { readonly kind: 'signal'; readonly signal: 'SIGTERM' | 'SIGINT' }
  /** A second signal: the process exits as soon as the hooks return. */
  | { readonly kind: 'cut'; readonly signal: 'SIGTERM' | 'SIGINT' }
  | { readonly kind: 'disconnect' }
  | { readonly kind: 'fatal'; readonly message: string };

/** Ends the process in order on behalf of its services. */
export interface ExitGuard {
  /**
   * Listens to signals and fatal errors while it has hooks. The returned function removes the hook. A hook that comes while the
   * others run is run at once, and the exit waits for it.
   */
  add(hook: ShutdownHook): () => void;
}

/** 128 + number, as a shell reports it. */
const signalNumbers = { SIGTERM: 15, SIGINT: 2 } as const;

/**
 * Signals within this time are one intention: Ctrl-C goes to a whole process group, and npm, process managers and systemd pass a signal
 * on, so that one process gets it two or three times within milliseconds.
 */
const oneIntentionMs = 1_000;

/** How long the exit waits, after a signal, for a shutdown of the program's own (listeners of the same signal that are still there). */
const ownShutdownMs = 2_000;

/**
 * SIGTERM, SIGINT, and the end of the IPC channel by which a parent holds this process (a cluster primary or supervisor that
 * died can send no signal): runs all hooks, then exits with 0. An uncaught exception (an unhandled rejection becomes one, unless
 * the program listens to those itself): the same with 1, unless the program listens to those itself; then what happens is its
 * decision, and Node and error reporters see no listener but its own. A signal more than a second after the stop began exits at once with 128 + its
 * number, unless a listener of the program has gone since: frameworks (NestJS) shut down at a signal, remove their listener and send the
 * signal once more.
 */
export function createExitGuard(target: ProcessLike, clock: Clock = systemClock): ExitGuard {
  const hooks = new Set<ShutdownHook>();
  const running = new Set<Promise<void>>();
  /** Undefined while nothing is to end. */
  let stopping: ExitReason | undefined;
  /** When the stop began. */
  let stoppingMs = 0;
  let exitCode = 0;
  /** Listeners of each signal after the last one. */
  const listening = { SIGTERM: 0, SIGINT: 0 };

  const run = (hook: ShutdownHook, reason: ExitReason): void => {
    const ended = Promise.allSettled([hook(reason)]).then(() => {
      running.delete(ended);
      if (running.size === 0) exit();
    });
    running.add(ended);
  };
  /** Every hook has returned. */
  const exit = (): void => {
    const leave = (): void => {
      target.exit(exitCode);
    };
    if (stopping?.kind === 'signal' && listening[stopping.signal] > 1) clock.setTimer(ownShutdownMs, leave);
    else leave();
  };
  /** Whether a listener has gone since the last signal. */
  const isPassedOn = (signal: 'SIGTERM' | 'SIGINT'): boolean => {
    const before = listening[signal];
    count();
    return listening[signal] < before;
  };
  const count = (): void => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) listening[signal] = target.listenerCount(signal);
  };
  const stopAll = (reason: ExitReason): void => {
    stopping = reason;
    stoppingMs = clock.nowMs();
    // The listeners stay to the end, for the second signal.
    for (const hook of hooks) run(hook, reason);
  };
  const onSignal = (signal: 'SIGTERM' | 'SIGINT'): void => {
    if (stopping === undefined) {
      stopAll({ kind: 'signal', signal });
      // One that listens once is gone by then.
      queueMicrotask(count);
    } else if (isPassedOn(signal)) {
      if (running.size === 0) target.exit(exitCode);
    } else if (clock.nowMs() - stoppingMs > oneIntentionMs) {
      for (const hook of hooks) void hook({ kind: 'cut', signal });
      target.exit(128 + signalNumbers[signal]);
    }
  };
  const onDisconnect = (): void => {
    if (stopping === undefined) stopAll({ kind: 'disconnect' });
  };
  /** Node tells the monitor first, then looks for a handler of the exception. */
  const onMonitor = (): void => {
    if (target.listenerCount('uncaughtException') === 0) target.once('uncaughtException', onFatal);
  };
  const onFatal = (error: unknown): void => {
    exitCode = 1;
    const reason: ExitReason = { kind: 'fatal', message: stackOf(error) };
    if (stopping === undefined) stopAll(reason);
    else for (const hook of hooks) void hook(reason);
  };

  const listeners = [
    ['SIGTERM', onSignal],
    ['SIGINT', onSignal],
    ['uncaughtExceptionMonitor', onMonitor],
    ['disconnect', onDisconnect],
  ] as const;
  return {
    add(hook) {
      if (hooks.size === 0 && stopping === undefined)
        for (const [event, listener] of listeners) target.on(event, listener);
      hooks.add(hook);
      if (stopping !== undefined) run(hook, stopping);
      return () => {
        if (stopping !== undefined || !hooks.delete(hook) || hooks.size > 0) return;
        for (const [event, listener] of listeners) target.off(event, listener);
      };
    },
  };
}
