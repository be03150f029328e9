import type { Socket } from 'node:net';

import { identityQuestion, type Instance, readIdentityAnswer } from '@roundhouse/agent-sdk/internal';

/** Somebody else, or nobody who says who it is, has taken a connection. */
export class WrongInstanceError extends Error {
  override readonly name = 'WrongInstanceError';
  readonly code = 'ERR_WRONG_INSTANCE';
}

/**
 * Asks on a new connection who has taken it, as soon as it stands, and calls `done` once: without an error when `expected` has
 * answered and nothing else has come, so that the connection is at the start of its first exchange; else with the system's error
 * or a {@link WrongInstanceError}, and the connection destroyed. It keeps no time: whoever waits destroys the connection.
 */
export function checkIdentity(
  socket: Socket,
  { instance, expected }: { readonly instance: Instance; readonly expected: string },
  done: (error?: Error) => void,
): void {
  let answer = '';
  const end = (error?: Error): void => {
    socket.off('connect', onConnect);
    socket.off('data', onData);
    socket.off('end', onEnd);
    socket.off('error', end);
    socket.off('close', onEnd);
    if (error !== undefined) socket.destroy();
    done(error);
  };
  const onConnect = (): void => {
    socket.off('error', end);
    socket.write(identityQuestion(instance), 'latin1');
  };
  const onData = (bytes: Buffer): void => {
    answer += bytes.toString('latin1');
    const verdict = readIdentityAnswer(answer, expected);
    if (verdict === 'match') end();
    else if (verdict === 'mismatch') onEnd();
  };
  const onEnd = (): void => {
    end(new WrongInstanceError('not the instance that is registered'));
  };
  socket.on('connect', onConnect);
  socket.on('data', onData);
  socket.on('end', onEnd);
  socket.on('error', end);
  socket.on('close', onEnd);
}
