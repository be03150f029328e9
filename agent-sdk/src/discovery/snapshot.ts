import { decodeCatalog, type DecodeContext, decodeHealth, type DecodedRecords } from './decode.ts';
import type { Catalog, Instance, Snapshot } from './instance.ts';
import type { ReadAnswer } from './registry-client.ts';
import { sameTexts } from './snapshot-change.ts';

/** What an answer about one service says. Throws `RegistryError('malformed')` when it says nothing that can be read. */
export function snapshotFromAnswer(
  answer: ReadAnswer,
  context: DecodeContext,
  known?: DecodedRecords,
): Snapshot {
  const { instances, quarantined } = decodeHealth(answer.body, context, known);
  const tooLarge = (answer.leftOut ?? []).map(({ name, node }) => ({
    id: name,
    node,
    reason: 'the record is too large',
  }));
  const { service } = context;
  return {
    service,
    index: answer.index ?? '0',
    instances,
    quarantined: [...quarantined, ...tooLarge],
    held: [],
  };
}

/** What an answer about the catalog says. Throws `RegistryError('malformed')` when it says nothing that can be read. */
export function catalogFromAnswer(answer: ReadAnswer): Catalog {
  const catalog = decodeCatalog(answer.body, answer.index ?? '0');
  const { leftOut = [] } = answer;
  return leftOut.length === 0 ? catalog : { ...catalog, unread: leftOut.map(({ name }) => name).sort() };
}

/** The snapshot of a service that can't register: always passing, weight 1, index `"0"`. */
export function fixedSnapshot(
  service: string,
  instances: readonly { readonly address: string; readonly port: number }[],
): Snapshot {
  const byKey = new Map<string, Instance>();
  for (const { address, port } of instances) {
    const id = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
    const key = `fixed/config/${id}`;
    byKey.set(key, {
      key,
      cluster: 'fixed',
      node: 'config',
      id,
      service,
      address,
      port,
      tags: [],
      meta: {},
      status: 'passing',
      weight: 1,
      createIndex: 0,
    });
  }
  const sorted = [...byKey.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  return { service, index: '0', instances: sorted, quarantined: [], held: [] };
}

/** Whether two catalogs name the same services with the same tags, and refuse the same. */
export function sameCatalog(a: Catalog, b: Catalog): boolean {
  const names = Object.keys(a.services);
  return (
    names.length === Object.keys(b.services).length &&
    sameTexts(a.unread ?? [], b.unread ?? []) &&
    sameTexts(a.refused ?? [], b.refused ?? []) &&
    names.every((name) => {
      const tags = Object.hasOwn(b.services, name) ? b.services[name] : undefined;
      return tags !== undefined && sameTexts(a.services[name] ?? [], tags);
    })
  );
}
