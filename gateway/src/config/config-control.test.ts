import { describe, expect, it } from 'vitest';

import { attemptText } from './attempt-text.ts';
import { configWorld } from './testing/config-world.ts';

const drain = (ms: number): string => `drain: { timeoutMs: ${ms} }`;

describe('a reload', () => {
  it('applies what the source has, and says what has changed in effect', async () => {
    const { write, live, heard } = configWorld('hedgeAfterMs: 5');
    const attempt = await write(`${drain(7)}\nengine: http-proxy\nroutes: [{ prefix: /a, service: a }]`);
    expect(attempt).toMatchObject({
      trigger: 'signal',
      outcome: 'applied',
      changed: ['hedgeAfterMs', 'drain.timeoutMs', 'routes'],
      needRestart: ['engine'],
    });
    expect(attempt.diff).toEqual([
      '~ engine: wire → http-proxy',
      '~ hedgeAfterMs: 5 → 0',
      '~ drain.timeoutMs: 20000 → 7',
      '- routes /api: /api → api-service',
      '- routes /: / → webapp-service',
      '+ routes /a: /a → a',
    ]);
    expect(live.current.drain.timeoutMs).toBe(7);
    expect(heard).toEqual([attempt]);
    expect(await write(live.current.hedgeAfterMs === 0 ? drain(7) : '')).toMatchObject({
      changed: ['routes'],
    });
  });

  it('changes nothing for a broken file, and names the places', async () => {
    const { write, live, control } = configWorld(drain(7));
    expect(await write('drain: { timeoutMs: no }\nx: 1')).toMatchObject({
      outcome: 'invalid',
      problems: [{ place: 'gateway.yaml:1:10 drain.timeoutMs' }, { place: 'gateway.yaml:2:1 x' }],
    });
    expect(live.current.drain.timeoutMs).toBe(7);
    expect(control.history()).toMatchObject({
      applied: [{ trigger: 'start' }],
      refused: [{ outcome: 'invalid' }],
    });
    expect(control.counts()).toMatchObject({ last: { outcome: 'invalid' } });
  });

  it('reads a file that is broken when it changes once more', async () => {
    const { control, slept, file } = configWorld();
    file.text = '[';
    expect(await control.reload('file')).toMatchObject({ outcome: 'invalid' });
    expect([slept, file.reads]).toEqual([[500], 2]);
  });

  it('stands for all that are asked for before it begins', async () => {
    const { control, file } = configWorld();
    const first = control.reload('signal');
    await Promise.resolve();
    await Promise.resolve();
    const [second, third] = [control.reload('file'), control.reload('admin')];
    file.text = drain(9);
    expect(second).toBe(third);
    expect(await second).toMatchObject({ changed: ['drain.timeoutMs'] });
    expect((await first).outcome).toBe('unchanged');
    expect(file.reads).toBe(2);
  });

  it('shows no secret', async () => {
    const { write, control } = configWorld();
    await write('admin: { token: first-token-of-the-operator }');
    await write('admin: { token: other-token-of-the-operator }');
    const { applied, running } = control.history();
    expect(applied[0]).toMatchObject({ outcome: 'applied', diff: ['admin.token: another secret'] });
    expect(applied.map(({ version }) => version)).toEqual([running, running, running]);
    expect(JSON.stringify(control.history())).not.toContain('operator');
  });
});

describe('a rollback', () => {
  it('goes back to a version and holds against the source until it is released', async () => {
    const { write, control, live } = configWorld(drain(1));
    const first = control.history().running!;
    await write(drain(2));
    expect(await control.rollback(first)).toMatchObject({
      outcome: 'applied',
      trigger: 'rollback',
      version: first,
    });
    expect(live.current.drain.timeoutMs).toBe(1);
    expect(control.history()).toMatchObject({ pinned: first, drift: ['~ drain.timeoutMs: 1 → 2'] });
    expect(await write(drain(3))).toMatchObject({ outcome: 'pinned' });
    expect(control.history().drift).toEqual(['~ drain.timeoutMs: 1 → 3']);
    expect(await control.release()).toMatchObject({ outcome: 'applied', changed: ['drain.timeoutMs'] });
    expect(live.current.drain.timeoutMs).toBe(3);
    expect(control.history()).toMatchObject({ pinned: undefined, drift: [] });
    expect(await control.rollback('000000000000')).toBeUndefined();
  });

  it('pins the version that runs, and keeps the secrets of now', async () => {
    const { write, control, live } = configWorld();
    await write('admin: { token: first-token-of-the-operator }\nhedgeAfterMs: 1');
    const version = control.history().running!;
    await write('admin: { token: other-token-of-the-operator }\nhedgeAfterMs: 2');
    await control.rollback(version);
    expect(live.current).toMatchObject({ hedgeAfterMs: 1, admin: { token: 'other-token-of-the-operator' } });
    expect(await control.rollback(version)).toMatchObject({ outcome: 'unchanged' });
    expect(control.history().pinned).toBe(version);
  });
});

it('keeps the last 20 applied configurations', async () => {
  const { write, control } = configWorld();
  for (let ms = 1; ms <= 25; ms += 1) await write(drain(ms));
  for (let n = 1; n <= 25; n += 1) await write(`broken${n}: 1`);
  const { applied, refused } = control.history();
  expect([applied.length, refused.length]).toEqual([20, 20]);
  expect(applied[0]?.diff).toEqual(['~ drain.timeoutMs: 24 → 25']);
});

it('says what came of it in a line', async () => {
  const { write, control } = configWorld();
  const [first] = control.history().applied;
  expect(attemptText(await write('hedgeAfterMs: 1\nengine: http-proxy'))).toMatch(
    /^The configuration changed: hedgeAfterMs \(version [\da-f]{12}\)\. These fields need a restart: engine\.$/,
  );
  expect(attemptText(await write('engine: http-proxy\nhedgeAfterMs: 1 # the same'))).toBe(
    'The configuration is the same. These fields need a restart: engine.',
  );
  expect(attemptText(await write('x: 1'))).toContain(
    'Nothing was changed. The configuration has 1 problem:\n',
  );
  await control.rollback(first!.version!);
  expect(attemptText(await write('{}'))).toContain('A rollback holds');
});
