import { describe, expect, it } from 'vitest';

import { startProcess } from '../kit/processes.ts';
import { parseStat, parseStatusBytes, usageOf } from './process-usage.ts';

describe('parseStat', () => {
  it('is not led astray by a process name with parentheses and spaces', () => {
    const text =
      '1634 (a) b) c) R 1632 77 30782 0 -1 4194304 2297 0 1 0 6 4 0 0 20 0 7 0 428436 745975808 10487';
    expect(parseStat(text)).toEqual({ state: 'living', group: 77, cpuTicks: 10 });
  });
});

describe('parseStatusBytes', () => {
  it('reads kilobytes, and 0 for a kernel thread without memory', () => {
    expect(parseStatusBytes('VmPeak:\t 90 kB\nVmHWM:\t    1024 kB\nVmRSS:\t 5 kB\n', 'VmHWM')).toBe(
      1_048_576,
    );
    expect(parseStatusBytes('Name:\tkthreadd\n', 'VmHWM')).toBe(0);
  });
});

describe.runIf(process.platform === 'linux')('usageOf', () => {
  it('counts the work of a child of the group, and reports a group that has ended', async () => {
    const spin = `const until = Date.now() + 60; while (Date.now() < until); console.log('spun'); setTimeout(() => {}, 60000)`;
    const parent = `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(spin)}], { stdio: 'inherit' })`;
    const child = await startProcess({ args: ['-e', parent] });
    try {
      const before = usageOf(child.pid);
      await child.waitFor(/spun/);
      const after = usageOf(child.pid);
      expect(after.cpuUs - before.cpuUs).toBeGreaterThan(20_000);
      expect(after.peakBytes).toBeGreaterThanOrEqual(after.residentBytes);
    } finally {
      await child[Symbol.asyncDispose]();
    }
    expect(() => usageOf(child.pid)).toThrow('has ended');
  });
});
