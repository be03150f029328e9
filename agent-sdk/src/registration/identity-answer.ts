import { IncomingMessage, type Server, ServerResponse } from 'node:http';

import { identityField, identityPath } from '../discovery/identity.ts';

import { interceptEvents } from './server-events.ts';

/** Answers the identity question on one server, for one registration. */
export interface IdentityAnswer {
  /** Ends the answers, so that the server can be used for another registration. */
  release(): void;
}

/** The id that each server gives; undefined between two registrations. */
const answers = new WeakMap<Server, { id: string | undefined }>();

/**
 * Answers the identity question (`identityPath`: GET, exactly, without a query) in front of a server's application: 204 with the
 * id, on a connection that stays open, also while the application drains. Neither the application nor the drain sees these
 * requests; all others, upgrades and expectations pass untouched. Works on a server that listens already.
 *
 * Undefined where the answer would not be true or not be useful, so that the registration must not promise it: where another registration
 * of this process has the server, where each connection takes only one request, and without a server.
 */
export function answerIdentity(server: Server | undefined, id: string): IdentityAnswer | undefined {
  if (server === undefined || server.maxRequestsPerSocket === 1) return undefined;
  const known = answers.get(server);
  if (known?.id !== undefined) return undefined;
  const answer = known ?? { id };
  answer.id = id;
  if (known === undefined) {
    answers.set(server, answer);
    interceptEvents(server, (event, [request, response]) => {
      if (event !== 'request' || answer.id === undefined || !(response instanceof ServerResponse))
        return false;
      if (!(request instanceof IncomingMessage) || request.url !== identityPath || request.method !== 'GET')
        return false;
      response.writeHead(204, { [identityField]: answer.id });
      response.end();
      return true;
    });
  }
  return {
    release: () => {
      if (answer.id === id) answer.id = undefined;
    },
  };
}
