import { compareSnapshots, endpointKey, type Instance, type Snapshot } from '@roundhouse/agent-sdk/internal';

/** How the endpoints that are to be probed changed from one snapshot of a service to the next. Those that drain are not. */
export interface EndpointChanges {
  /** New, moved, registered afresh, or back from draining: whatever was known of them is void. */
  readonly appeared: readonly Instance[];
  /** As they were; first to be forgotten, as some of them may have appeared again. */
  readonly gone: readonly Instance[];
  /** Newer records of endpoints that stay. */
  readonly renewed: readonly Instance[];
}

const wanted = (instance: Instance): boolean => instance.status !== 'draining';

/** Compares two snapshots; costs little for instances that are the same object. Undefined: the service was or is not followed. */
export function endpointChanges(before: Snapshot | undefined, after: Snapshot | undefined): EndpointChanges {
  if (after === undefined) return { appeared: [], gone: before?.instances.filter(wanted) ?? [], renewed: [] };
  const { added, removed, updated } = compareSnapshots(before, after);
  const appeared = added.filter(wanted);
  const gone = removed.filter(wanted);
  const renewed: Instance[] = [];
  for (const { before: old, after: now } of updated) {
    if (wanted(old) && wanted(now) && sameRegistration(old, now)) {
      renewed.push(now);
      continue;
    }
    if (wanted(old)) gone.push(old);
    if (wanted(now)) appeared.push(now);
  }
  return { appeared, gone, renewed };
}

function sameRegistration(a: Instance, b: Instance): boolean {
  return a.createIndex === b.createIndex && endpointKey(a) === endpointKey(b);
}
