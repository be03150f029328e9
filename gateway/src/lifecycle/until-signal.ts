/** Exit code after a second signal: the stop was cut short. */
const forcedExitCode = 2;
/**
 * Signals within this time are one intention: a terminal sends Ctrl-C to the whole process group, npm and process managers pass it on, and
 * systemd signals the group, so that one process gets it two or three times within milliseconds.
 */
const oneIntentionMs = 1_000;

/** A stop that was asked for from outside. */
export interface StopRequest {
  /** Resolves with the first SIGTERM or SIGINT, or with `disconnect` when a parent that holds an IPC channel has gone. */
  readonly requested: Promise<NodeJS.Signals | 'disconnect'>;
  /** Stops listening for signals. */
  dispose(): void;
}

/**
 * Listens for the signals that end a process. Repeats within a second of the first one are ignored; a later one says so on stderr and
 * exits at once with code 2. SIGHUP, whose default
 * would end the process when a terminal closes or a reload is asked for, is only reported to `onHangup`.
 */
export function untilSignal(onHangup: () => void): StopRequest {
  let askedMs: number | undefined;
  let settle: (signal: NodeJS.Signals | 'disconnect') => void = () => undefined;
  const requested = new Promise<NodeJS.Signals | 'disconnect'>((resolve) => {
    settle = resolve;
  });
  const onSignal = (signal: NodeJS.Signals): void => {
    const nowMs = performance.now();
    askedMs ??= nowMs;
    if (nowMs - askedMs > oneIntentionMs) {
      process.stderr.write(`${signal} again: the process exits now and does not finish what is in flight.\n`);
      process.exit(forcedExitCode);
    }
    settle(signal);
  };
  const onDisconnect = (): void => {
    settle('disconnect');
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  process.on('SIGHUP', onHangup);
  process.on('disconnect', onDisconnect);
  return {
    requested,
    dispose() {
      process.off('SIGTERM', onSignal);
      process.off('SIGINT', onSignal);
      process.off('SIGHUP', onHangup);
      process.off('disconnect', onDisconnect);
    },
  };
}
