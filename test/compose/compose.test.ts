import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { get, startLoad } from '../kit/load.ts';
import { createProject, findEngine, type Project } from './compose.ts';

/**
 * `ROUNDHOUSE_COMPOSE=required` makes a missing engine a failure. With `CI=true` an engine without base images is one
 * as well; a machine without an engine skips, and says so.
 */
const required = process.env['ROUNDHOUSE_COMPOSE'] === 'required';
const inCi = process.env['CI'] === 'true';

const engine = await findEngine();
const missing = engine.kind === 'ready' ? '' : `${engine.kind}: ${engine.reason}`;
const mustRun = required || (inCi && engine.kind !== 'no engine');

interface InstanceRow {
  readonly id: string;
  readonly address: string;
  readonly port: number;
  readonly status: string;
}

interface ServiceRow {
  readonly registry: string;
  readonly instances: readonly InstanceRow[];
}

if (engine.kind === 'ready') {
  describe('docker compose up', () => {
    let project: Project;

    beforeAll(async () => {
      project = await createProject(engine.images);
      // One after the other: the first build makes the stages that all of them share.
      for (const service of ['gateway', 'api', 'webapp']) await project.compose('build', service);
      await project.compose('up', '--detach', '--wait', '--no-build');
    });
    afterAll(async () => {
      await project.down();
    });

    const whoami = async (): Promise<string> => {
      const { status, body } = await get(`${project.url}/api/whoami`);
      expect({ status, body }).toMatchObject({ status: 200 });
      return (JSON.parse(body) as { instance: string }).instance;
    };
    const service = async (name: string): Promise<ServiceRow> => {
      const { body } = await get(`${project.adminUrl}/api/services/${name}`, undefined, {
        accept: 'application/json',
      });
      return JSON.parse(body) as ServiceRow;
    };
    const passing = async (name: string, count: number): Promise<readonly InstanceRow[]> =>
      eventually(async () => {
        const rows = (await service(name)).instances.filter(({ status }) => status === 'passing');
        expect(rows).toHaveLength(count);
        return rows;
      }, 30_000);

    it('serves once it says that it is healthy, five of ten by either instance', async () => {
      await passing('api-service', 2);
      const answered = new Map<string, number>();
      for (let i = 0; i < 10; i += 1) {
        const instance = await whoami();
        answered.set(instance, (answered.get(instance) ?? 0) + 1);
      }
      expect([...answered.values()]).toEqual([5, 5]);
    });

    it('serves the page at /', async () => {
      const { status, body } = await get(`${project.url}/`);
      expect(status).toBe(200);
      expect(body).toContain('This page came from');
    });

    it('runs all our processes without root, on a read-only root file system', async () => {
      for (const service of ['gateway', 'api', 'webapp']) {
        const [container = ''] = await project.containers(service);
        expect(await project.docker('exec', container, 'id', '--user')).toBe('1000\n');
        await expect(project.docker('exec', container, 'touch', '/app/x')).rejects.toThrow(/read-only/i);
      }
    });

    it('bounds what every container may take', async () => {
      for (const service of ['consul', 'gateway', 'api', 'webapp']) {
        const [container = ''] = await project.containers(service);
        const format = '{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{json .HostConfig.Ulimits}}';
        const limits = await project.docker('inspect', '--format', format, container);
        expect(limits).toMatch(/^536870912 (?:128|256) .*"Name":"nofile".*\b16384\b/);
      }
    });

    it('registers the addresses of the containers', async () => {
      const containers = await project.containers('api');
      const rows = await passing('api-service', 2);
      expect(rows.map(({ address }) => address).sort()).toEqual((await project.addresses(containers)).sort());
      expect(rows.map(({ port }) => port)).toEqual([3000, 3000]);
    });

    it('sends traffic to every instance after --scale api=5', async () => {
      await project.compose('up', '--detach', '--wait', '--no-build', '--no-recreate', '--scale', 'api=5');
      const rows = await passing('api-service', 5);
      const answered = new Set<string>();
      for (let i = 0; i < 10; i += 1) answered.add(await whoami());
      expect([...answered].sort()).toEqual(rows.map(({ id }) => id).sort());
    });

    it.each([
      ['stopped', 'stop'],
      ['killed', 'kill'],
    ])('fails no GET when a container is %s under load', async (_how, command) => {
      const before = (await passing('api-service', (await project.containers('api')).length)).length;
      const [container = ''] = await project.containers('api');
      const load = startLoad(`${project.url}/api/whoami`, 100);
      await eventually(() => {
        expect(load.report().answered).toBeGreaterThan(100);
      });
      await project.docker(command, container);
      await passing('api-service', before - 1);
      if (command === 'stop') {
        // The gateway is registered under an address at which a service can ask it.
        expect(await project.logs(container)).toMatch(/draining acknowledged by 1\/1 gateways in \d+ ms/);
      }
      const { answered } = load.report();
      await eventually(() => {
        expect(load.report().answered).toBeGreaterThan(answered + 50);
      });
      expect((await load.stop()).failures).toEqual([]);
    });

    it('serves on while Consul is stopped, and follows it again when it is back, empty', async () => {
      const count = (await project.containers('api')).length;
      const load = startLoad(`${project.url}/api/whoami`, 50);
      await project.compose('stop', 'consul');
      await project.compose(
        'up',
        '--detach',
        '--wait',
        '--no-build',
        '--no-recreate',
        '--scale',
        `api=${count}`,
      );
      await passing('api-service', count);
      expect((await load.stop()).failures).toEqual([]);
    });

    it('serves from its saved table when it starts while Consul is stopped, and follows it again afterwards', async () => {
      const count = (await project.containers('api')).length;
      const ids = (await passing('api-service', count)).map(({ id }) => id).sort();
      await project.compose('stop', 'consul');
      await project.compose('restart', 'gateway');
      await eventually(async () => {
        expect(ids).toContain(await whoami());
      }, 30_000);
      expect(await service('api-service')).toMatchObject({ registry: 'stale' });
      await project.compose('start', 'consul');
      await eventually(async () => {
        // Those that ended while Consul was away may still be listed, as critical.
        const { registry, instances: rows } = await service('api-service');
        const alive = rows.filter(({ status }) => status === 'passing').map(({ id }) => id);
        expect([registry, ...alive.sort()]).toEqual(['live', ...ids]);
      }, 60_000);
    });

    it('stops within the grace period, every program with code 0', async () => {
      const containers = (
        await Promise.all(['gateway', 'api', 'webapp'].map((service) => project.containers(service)))
      ).flat();
      await project.compose('stop', 'gateway', 'api', 'webapp');
      const codes = await project.docker('inspect', '--format', '{{.State.ExitCode}}', ...containers);
      expect(codes.trim().split('\n')).toEqual(containers.map(() => '0'));
    });
  });
} else if (mustRun) {
  it('has what docker compose needs', () => {
    expect.fail(`The compose test must run here, but there is ${missing}`);
  });
} else {
  it.skip(`docker compose up (skipped: ${missing}; ROUNDHOUSE_COMPOSE=required makes this a failure)`);
}
