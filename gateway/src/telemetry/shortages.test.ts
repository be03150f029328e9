import { expect, it } from 'vitest';

import { createShortages } from './shortages.ts';

it('counts every shortage and says each kind once a minute', () => {
  const lines: string[] = [];
  let nowMs = 0;
  const { crowded, adminCrowded, exhausted, counts } = createShortages(
    { warn: (text) => lines.push(text) },
    () => nowMs,
  );
  const crowd = { outcome: 'refused', limit: 'address', connections: 10, address: '192.0.2.1' } as const;
  for (let i = 0; i < 3; i += 1) {
    crowded(crowd);
    exhausted('no file descriptor left in this process (EMFILE)');
    adminCrowded({ ...crowd, outcome: 'made_room' });
  }
  expect(lines).toEqual([
    '192.0.2.1 has its 10 connections (limits.connectionsPerAddress; a load balancer belongs in trustedProxies): ' +
      'none waits for a request, so that new ones are closed.',
    'The gateway itself has run short, no instance is to blame: no file descriptor left in this process (EMFILE).',
    '192.0.2.1 has its 10 connections to the admin listener: ' +
      'those that have waited longest for a request are closed for new ones.',
  ]);
  expect(Object.fromEntries(counts())).toMatchObject({
    address_refused: 3,
    admin_made_room: 3,
    exhausted: 3,
    all_refused: 0,
  });
  nowMs += 60_000;
  crowded({ ...crowd, limit: 'all', outcome: 'made_room' });
  exhausted('again');
  expect(lines.slice(3)).toEqual([
    'All 10 client connections are taken (limits.connections): those that have waited longest for a request are closed for new ones.',
    'The gateway itself has run short, no instance is to blame: again.',
  ]);
});
