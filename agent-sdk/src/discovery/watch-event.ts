import type { RegistryFailure } from './registry-client.ts';

/**
 * What a watch yields. `value`: the first answer, and each later one whose content differs. `stale`: the registry cannot be
 * followed for now, the last value stands; once per failed attempt. `live`: it is followed again, and nothing had changed.
 * Plain values, so that one process can watch and feed others.
 */
export type WatchEvent<T> =
  | { readonly kind: 'value'; readonly value: T }
  | { readonly kind: 'live' }
  | {
      readonly kind: 'stale';
      /** Failed attempts in a row, from 1. */
      readonly attempt: number;
      readonly failure: RegistryFailure;
      /** For a person; says where, why and what to do. */
      readonly message: string;
      readonly retryInMs: number;
    };
