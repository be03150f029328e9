/** Exit code after a second signal: the stop was cut short. */
const forcedExitCode = 2;

/** A stop that was asked for from outside. */
export interface StopRequest {
  /** Resolves with the first SIGTERM or SIGINT, or with `disconnect` when a parent that holds an IPC channel has gone. */
  readonly requested: Promise<NodeJS.Signals | 'disconnect'>;
  /** Stops listening for signals. */
  dispose(): void;
}

/**
 * Listens for the signals that end a process. From the first one on, a second exits at once with code 2. SIGHUP, whose default
 * would end the process when a terminal closes or a reload is asked for, is only reported to `onHangup`.
 */
export function untilSignal(onHangup: () => void): StopRequest {
  let asked = false;
  let settle: (signal: NodeJS.Signals | 'disconnect') => void = () => undefined;
  const requested = new Promise<NodeJS.Signals | 'disconnect'>((resolve) => {
    settle = resolve;
  });
  const onSignal = (signal: NodeJS.Signals): void => {
    if (asked) process.exit(forcedExitCode);
    asked = true;
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
