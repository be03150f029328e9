import type { Instance } from './instance.ts';

/** What is not the very same object in two instance lists. */
export interface Unmatched {
  /** Keys that only the first list has, in its order. */
  readonly removed: readonly Instance[];
  /** Keys that only the second has, in its order. */
  readonly added: readonly Instance[];
  /** Same key, another object; the content may be equal. */
  readonly renewed: readonly { readonly before: Instance; readonly after: Instance }[];
}

/**
 * Compares two lists by key, and by reference where the key is the same. Both are sorted by key as a rule, and then run in step: without an
 * index, so that in a list of thousands whatever is the same object costs next to nothing. In any other order it only takes longer.
 */
export function unmatchedInstances(before: readonly Instance[], after: readonly Instance[]): Unmatched {
  const removed: Instance[] = [];
  const added: Instance[] = [];
  const renewed: { readonly before: Instance; readonly after: Instance }[] = [];
  let at = 0;
  for (const instance of after) {
    let old = before[at];
    while (old !== undefined && old !== instance && old.key < instance.key) {
      removed.push(old);
      at += 1;
      old = before[at];
    }
    if (old === instance) {
      at += 1;
    } else if (old?.key === instance.key) {
      renewed.push({ before: old, after: instance });
      at += 1;
    } else {
      added.push(instance);
    }
  }
  for (const instance of before.slice(at)) removed.push(instance);
  return removed.length === 0 || added.length === 0
    ? { removed, added, renewed }
    : withStrays({ removed, added, renewed });
}

/** A key that seems to be gone and new was only passed by in a list that is not sorted. */
function withStrays({ removed, added, renewed }: Unmatched): Unmatched {
  const old = new Map(removed.map((instance) => [instance.key, instance]));
  const found = added.flatMap((after) => {
    const before = old.get(after.key);
    return before === undefined ? [] : [{ before, after }];
  });
  if (found.length === 0) return { removed, added, renewed };
  const keys = new Set(found.map(({ after }) => after.key));
  const isRealChange = ({ key }: Instance): boolean => !keys.has(key);
  return {
    removed: removed.filter(isRealChange),
    added: added.filter(isRealChange),
    renewed: [...renewed, ...found.filter(({ before, after }) => before !== after)],
  };
}
