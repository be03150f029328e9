import cluster from 'node:cluster';
import { IncomingMessage, type Server, ServerResponse } from 'node:http';

import { identityField, identityPath } from '../discovery/identity.ts';

import { interceptEmissions } from './emissions.ts';

/** Whether this process says who it is on one server, for one registration. */
export interface IdentityAnswer {
  /** `none`: the answer would not be true or not be useful; the registration must not promise it then. */
  readonly state: 'answering' | 'none';
  /** Answers no more, so that the server can be used for another registration. */
  release(): void;
}

/** The id that each server gives; undefined between two registrations. */
const answers = new WeakMap<Server, { id: string | undefined }>();
const none: IdentityAnswer = { state: 'none', release: () => undefined };

/**
 * Answers the identity question (`identityPath`: GET, exactly, without a query) in front of whatever application a server has:
 * 204 with the id, on a connection that stays open, also while the application drains. Neither the application nor the drain sees
 * these requests; all others, upgrades and expectations pass untouched. Works on a server that listens already.
 *
 * `none` where another process may accept the next connection to the same port (a worker of `node:cluster`), where another
 * registration of this process has the server already, where each connection takes but one request, and without a server.
 */
export function claimIdentity(server: Server | undefined, id: string): IdentityAnswer {
  if (server === undefined) return none;
  const known = answers.get(server);
  if (cluster.isWorker || server.maxRequestsPerSocket === 1 || known?.id !== undefined) return none;
  const answer = known ?? { id };
  answer.id = id;
  if (known === undefined) {
    answers.set(server, answer);
    interceptEmissions(server, (event, [request, response]) => {
      if (event !== 'request' || answer.id === undefined) return 'pass';
      if (!(request instanceof IncomingMessage) || request.url !== identityPath || request.method !== 'GET')
        return 'pass';
      if (!(response instanceof ServerResponse)) return 'pass';
      response.writeHead(204, { [identityField]: answer.id });
      response.end();
      return 'taken';
    });
  }
  return {
    state: 'answering',
    release: () => {
      if (answer.id === id) answer.id = undefined;
    },
  };
}
