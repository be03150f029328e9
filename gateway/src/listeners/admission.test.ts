import { describe, expect, it } from 'vitest';

import {
  Admission,
  networkOf,
  type AdmissionLimits,
  type ConnectionGroup,
  type Crowding,
  type GivingWay,
} from './admission.ts';
import type { Linked } from '../sockets/linked-list.ts';

class FakeConnection implements GivingWay, Linked<FakeConnection> {
  next: FakeConnection | undefined;
  previous: FakeConnection | undefined;
  group: ConnectionGroup | undefined;
  waitingMs: number | undefined;
  state: 'open' | 'closed' = 'open';

  constructor(waitingMs: number | undefined) {
    this.waitingMs = waitingMs;
  }

  shutdown(): void {
    this.state = 'closed';
  }
}

function rig(limits: AdmissionLimits, trusted: readonly string[] = []) {
  const crowding: Crowding[] = [];
  let nowMs = 0;
  const admission = new Admission<FakeConnection>({
    limits: () => limits,
    isExempt: (address) => trusted.includes(address),
    onCrowding: (crowd) => crowding.push(crowd),
    now: () => nowMs,
  });
  return {
    admission,
    crowding,
    pass: (ms: number) => (nowMs += ms),
    /** A connection that has waited for so long, or undefined when it is refused. */
    come(address: string, waitingMs?: number): FakeConnection | undefined {
      if (!admission.admits(address)) return undefined;
      const connection = new FakeConnection(waitingMs);
      admission.add(connection, address);
      return connection;
    },
  };
}

describe('admission', () => {
  it('closes the connection that has waited longest when there is no room', () => {
    const { come, admission, crowding } = rig({ connections: 3, connectionsPerAddress: 3 });
    const [one, two, three] = [come('a', 8_000), come('a', 10_000), come('a', 600)];
    expect(come('b')).toBeDefined();
    expect([one, two, three].map((c) => c?.state)).toEqual(['open', 'closed', 'open']);
    expect(admission.size).toBe(3);
    expect(crowding).toEqual([{ outcome: 'made_room', limit: 'all', connections: 3, address: 'b' }]);
  });

  it('closes those of an address with many before an older one of an address with few', () => {
    const { come } = rig({ connections: 4, connectionsPerAddress: 4 });
    const alone = come('a', 2_000);
    const many = [come('b', 1_000), come('b', 1_500), come('b', 900)];
    expect(come('c')).toBeDefined();
    expect(alone?.state).toBe('open');
    expect(many.map((c) => c?.state)).toEqual(['open', 'closed', 'open']);
  });

  it('refuses when nobody waits, or only for a moment', () => {
    const { come, crowding } = rig({ connections: 2, connectionsPerAddress: 2 });
    come('a', undefined);
    come('a', 400);
    expect(come('b')).toBeUndefined();
    expect(crowding).toEqual([{ outcome: 'refused', limit: 'all', connections: 2, address: 'b' }]);
  });

  it('keeps one address, and one IPv6 network, to three quarters of all connections unless told otherwise', () => {
    const { come, crowding } = rig({ connections: 8, connectionsPerAddress: 0 });
    const own = Array.from({ length: 7 }, () => come('a')?.state);
    expect(own).toEqual([...new Array<string>(6).fill('open'), undefined]);
    expect(crowding).toEqual([{ outcome: 'refused', limit: 'address', connections: 6, address: 'a' }]);
    expect([come('b'), come('c')].map((c) => c?.state)).toEqual(['open', 'open']);
  });

  it('takes the addresses of one IPv6 network for one', () => {
    const { come } = rig({ connections: 100, connectionsPerAddress: 2 });
    const v6 = ['2001:db8:0:1::1', '2001:db8:0:1::2', '2001:db8:0:1:5::3', '2001:db8:0:2::1'];
    expect(v6.map((address) => come(address)?.state)).toEqual(['open', 'open', undefined, 'open']);
  });

  it('makes room for an address among its own connections', () => {
    const { come } = rig({ connections: 100, connectionsPerAddress: 2 });
    const other = come('b', 60_000);
    const own = [come('a', 1_000), come('a', 5_000)];
    expect(come('a')).toBeDefined();
    expect([other, ...own].map((c) => c?.state)).toEqual(['open', 'open', 'closed']);
  });

  it('has no limit of its own for a trusted proxy, and none of its weight', () => {
    const { come } = rig({ connections: 4, connectionsPerAddress: 1 }, ['lb']);
    const proxied = [come('lb', 700), come('lb', 700), come('lb', 700)];
    const direct = come('a', 800);
    expect(come('b')).toBeDefined();
    expect([...proxied, direct].map((c) => c?.state)).toEqual(['open', 'open', 'open', 'closed']);
  });

  it('does not search for each of many that come while nobody waits', () => {
    const { come, pass } = rig({ connections: 1, connectionsPerAddress: 1 });
    const one = come('a', 400);
    expect(come('b')).toBeUndefined();
    if (one !== undefined) one.waitingMs = 600;
    expect(come('b')).toBeUndefined();
    pass(50);
    expect(come('b')).toBeDefined();
  });

  it('forgets a connection that has closed, once', () => {
    const { come, admission } = rig({ connections: 1, connectionsPerAddress: 1 });
    const one = come('a');
    if (one === undefined) throw new Error('refused');
    admission.delete(one);
    admission.delete(one);
    expect(come('a')).toBeDefined();
  });

  it('reads the network of an address', () => {
    const addresses = ['192.0.2.1', '::1', 'fe80::1', '2001:db8:1:2:3:4:5:6', '2001:db8::5:6:7:8:9', '1::'];
    expect(addresses.map(networkOf)).toEqual([
      '192.0.2.1',
      '0:0:0:0',
      'fe80:0:0:0',
      '2001:db8:1:2',
      '2001:db8:0:5',
      '1:0:0:0',
    ]);
  });
});
