import { afterAll, beforeAll, beforeEach, describe } from 'vitest';

import { blockingContract } from './blocking.contract.ts';
import { checksContract } from './checks.contract.ts';
import { clientContract } from './client.contract.ts';
import { httpCall, type HttpCall } from './http-call.ts';
import { kvContract } from './kv.contract.ts';
import { maintenanceContract } from './maintenance.contract.ts';
import { refusalsContract } from './refusals.contract.ts';
import { registrationContract } from './registration.contract.ts';

/** A registry to hold to the contract. */
export interface StartedRegistry {
  readonly address: string;
  stop(): Promise<void>;
}

/** What the tests of one contract file get. Services of one test are named apart from those of all others. */
export interface ContractSubject {
  readonly address: () => string;
  readonly http: () => HttpCall;
  /** A name that is new in this registry and the same throughout one test. */
  readonly name: () => string;
}

/** The whole contract that the SDK and the gateway rely on, over one registry that is started for it. */
export function registryContract(start: () => Promise<StartedRegistry>): void {
  let registry: StartedRegistry | undefined;
  let tests = 0;

  beforeAll(async () => {
    registry = await start();
  }, 60_000);
  afterAll(async () => {
    await registry?.stop();
  });
  beforeEach(() => {
    tests++;
  });

  const address = (): string => registry?.address ?? '';
  const subject: ContractSubject = {
    address,
    http: () => httpCall(address()),
    name: () => `svc-${tests}`,
  };

  describe('registration', () => {
    registrationContract(subject);
  });
  describe('checks', () => {
    checksContract(subject);
  });
  describe('maintenance', () => {
    maintenanceContract(subject);
  });
  describe('blocking queries', () => {
    blockingContract(subject);
  });
  describe('keys and values', () => {
    kvContract(subject);
  });
  describe('refusals', () => {
    refusalsContract(subject);
  });
  describe("the SDK's client", () => {
    clientContract(subject);
  });
}
