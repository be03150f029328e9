import type { FastifyInstance } from 'fastify';
import type { IdentitySource } from '../identity.ts';

/** What `GET /api/whoami` answers. */
export interface WhoAmI {
  readonly service: string;
  readonly instance: string;
  readonly pid: number;
  readonly port: number;
  /** Requests that this process has taken so far, this one included and health checks left out. */
  readonly requests: number;
}

/** `GET /api/whoami`: which instance took this request; and `GET /api`, the same with a list of the other routes. */
export function whoamiRoutes(app: FastifyInstance, identity: IdentitySource): void {
  let requests = 0;
  app.addHook('onRequest', (request, _reply, done) => {
    if (request.url !== '/healthz') requests += 1;
    done();
  });

  const whoami = async (): Promise<WhoAmI> => {
    const taken = requests;
    const { name, id, port } = await identity();
    return { service: name, instance: id, pid: process.pid, port, requests: taken };
  };

  app.get('/api/whoami', async (_request, reply) => {
    void reply.header('cache-control', 'no-store');
    return whoami();
  });

  const index = async () => ({
    ...(await whoami()),
    try: [
      'GET /api/whoami',
      'ANY /api/echo',
      'GET /api/headers',
      'GET /api/slow?ms=1000',
      'GET /api/status?code=503',
      'GET /api/bytes?n=1048576',
      'GET /api/events',
      'WebSocket /api/ws',
    ],
  });
  app.get('/api', index);
  app.get('/api/', index);
}
