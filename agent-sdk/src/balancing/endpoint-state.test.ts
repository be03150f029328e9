import { describe, expect, it } from 'vitest';

import { instance } from '../../../test/kit/builders.ts';
import { EndpointState, type SlotLevel } from './endpoint-state.ts';
import type { Availability } from './endpoint.ts';

const ejected = { state: 'ejected', untilMs: 9, ejections: 1 } as const;
const probation = { state: 'probation', ejections: 1 } as const;

describe('the availability of an endpoint', () => {
  it.each<[Availability, Partial<EndpointState>]>([
    ['excluded', { eligible: false }],
    ['excluded', { eligible: false, check: 'up', health: ejected, limit: 1, inFlight: 1 }],
    ['available', {}],
    ['available', { check: 'up', limit: 2, inFlight: 1 }],
    ['available', { health: probation }],
    ['saturated', { limit: 1, inFlight: 1 }],
    ['saturated', { limit: 1, inFlight: 2, health: probation }],
    ['ejected', { check: 'down' }],
    ['ejected', { health: ejected }],
    ['ejected', { health: probation, trials: 1 }],
    ['ejected', { check: 'down', limit: 2, inFlight: 1 }],
    ['ejected_saturated', { check: 'down', limit: 1, inFlight: 1 }],
    ['ejected_saturated', { health: ejected, limit: 1, inFlight: 1 }],
  ])('is %s with %o', (availability, inputs) => {
    const endpoint = Object.assign(new EndpointState(instance('a'), 0), { eligible: true }, inputs);
    expect(endpoint.derive()).toBe(availability);
  });

  it('is told to every priority level, once for each change', () => {
    const told: string[] = [];
    const level = (tag: string): SlotLevel => ({
      tag,
      warming: 0,
      availabilityChanged: (index, from, to) => told.push(`${tag}${index} ${from} ${to}`),
      loadChanged: (index) => told.push(`${tag}${index} load`),
    });
    const endpoint = new EndpointState(instance('a'), 0);
    endpoint.slots = [
      { level: level('x'), index: 3 },
      { level: level('y'), index: 0 },
    ];
    endpoint.eligible = true;
    endpoint.refresh();
    endpoint.refresh();
    endpoint.check = 'down';
    endpoint.loadChanged();
    endpoint.check = 'unchecked';
    endpoint.loadChanged();
    expect(told).toEqual([
      'x3 excluded available',
      'y0 excluded available',
      'x3 available ejected',
      'y0 available ejected',
      'x3 ejected available',
      'y0 ejected available',
      'x3 load',
      'y0 load',
    ]);
  });
});
