import { spawnSync } from 'node:child_process';

/** Where packets are dropped: everything that arrives for this address and port. */
export interface BlackHole extends Disposable {
  readonly kind: 'dropping';
}

/** Why packets cannot be dropped on this machine, for the title of a skipped test; undefined when they can. */
export function blackHoleObstacle(): string | undefined {
  const { status, error, stderr } = spawnSync('iptables', ['-w', '-L', 'INPUT', '-n'], { encoding: 'utf8' });
  if (error !== undefined) return 'iptables is not installed: apt-get install iptables';
  return status === 0 ? undefined : `iptables needs root: ${stderr.trim()}`;
}

/** Addresses whose packets are dropped now: no rule outlives the test's process. */
const rules = new Set<readonly string[]>();
process.once('exit', () => {
  for (const rule of rules) iptables('-D', rule);
});

/** From now on the port does not answer, refuse or reset: a SYN is lost, and so is what comes on open connections. Linux, as root. */
export function openBlackHole(address: string, port: number): BlackHole {
  const rule = ['INPUT', '-d', address, '-p', 'tcp', '--dport', String(port), '-j', 'DROP'];
  const failure = iptables('-I', rule);
  if (failure !== '') throw new Error(`iptables: ${failure}`);
  rules.add(rule);
  return {
    kind: 'dropping',
    [Symbol.dispose]: () => {
      if (rules.delete(rule)) iptables('-D', rule);
    },
  };
}

function iptables(action: '-I' | '-D', rule: readonly string[]): string {
  const { status, error, stderr } = spawnSync('iptables', ['-w', action, ...rule], { encoding: 'utf8' });
  return status === 0 ? '' : (error?.message ?? stderr.trim());
}
