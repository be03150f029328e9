import type { Socket } from 'node:net';

import { identityQuestion, type Instance, readIdentityAnswer } from '@roundhouse/agent-sdk/internal';

/** Another process than the registered instance has accepted the connection, or one that does not identify itself. */
export class WrongInstanceError extends Error {
  override readonly name = 'WrongInstanceError';
  readonly code = 'ERR_WRONG_INSTANCE';
}

/** The connection of an attempt while its identity question is open: the agent has it, and the request can't destroy it yet. */
export class PendingConnect {
  #socket: Socket | undefined;

  /** Called by the pool: the question is open. */
  begin(socket: Socket): void {
    this.#socket = socket;
  }

  /** Called by the pool: the question is answered. */
  end(): void {
    this.#socket = undefined;
  }

  /** The attempt has ended: destroys the connection as long as the question is open. */
  abandon(): void {
    this.#socket?.destroy();
  }
}

/**
 * Sends the identity question on a new connection and calls `done` once: without an error when `expected` has answered and nothing
 * else has come, so that the connection is at the start of its first exchange; else with the system's error or a
 * {@link WrongInstanceError}, and the connection destroyed. It keeps no time: a {@link PendingConnect} ends it.
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
