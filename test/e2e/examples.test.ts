import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { basename, join } from 'node:path';

import ts from 'typescript';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WebSocket } from 'ws';

import { certificate, privateKey } from '../kit/certificate.ts';
import { eventually } from '../kit/eventually.ts';
import { get } from '../kit/load.ts';
import { repositoryRoot, startProcess, type TestProcess } from '../kit/processes.ts';
import { consulOrSkip, type RealConsul, startRealConsul } from '../kit/real-consul.ts';
import { type GatewayProcess, startGatewayProcess } from '../kit/system.ts';

/** Inside the repository, so that the copies find its node_modules. */
const folder = join(repositoryRoot, '.tmp', `examples-${process.pid}`);

/** The examples that a gateway is asked through, each at `/NAME/word`, and what it answers. */
const routed = [
  ['http.mjs', /^http \/http\/word$/],
  ['express.mjs', /^express word$/],
  ['common-js.cjs', /^common-js word$/],
  ['fastify.mjs', /^fastify word$/],
  ['koa.mjs', /^koa \/koa\/word$/],
  ['hono.mjs', /^hono word$/],
  ['fetch.mjs', /^fetch \/fetch\/word$/],
  ['nest.ts', /^nest word$/],
  ['websocket.mjs', /^websocket \/websocket\/word$/],
  ['typescript.ts', /^typescript \/typescript\/word by typescript-example-/],
  ['register.mjs', /^register \/register\/word$/],
  ['cluster.mjs', /^cluster \/cluster\/word by \d+$/],
] as const;

/** Examples that only show a file, or need what is not installed here. */
const notStarted = ['Dockerfile', 'ecosystem.config.cjs', 'next.mjs'];

/** An example in a folder of the test's own; TypeScript as a compiler leaves it. */
async function copyOf(example: string): Promise<string> {
  const text = await readFile(join(repositoryRoot, 'docs/examples', example), 'utf8');
  const target = join(folder, example.replace(/\.ts$/, '.mjs'));
  const { outputText } = ts.transpileModule(text, {
    compilerOptions: {
      module: ts.ModuleKind.ESNext,
      target: ts.ScriptTarget.ES2023,
      experimentalDecorators: true,
      emitDecoratorMetadata: true,
    },
  });
  await writeFile(target, example.endsWith('.ts') ? outputText : text);
  return target;
}

async function startExample(example: string, consul: RealConsul): Promise<TestProcess> {
  const env = {
    CONSUL_HTTP_ADDR: consul.address,
    TLS_CERT: join(folder, 'cert.pem'),
    TLS_KEY: join(folder, 'key.pem'),
  };
  return startProcess({ args: [await copyOf(example)], env });
}

interface Instance {
  readonly Service: { readonly ID: string; readonly Address: string; readonly Port: number };
}

async function instancesOf(name: string, consul: RealConsul): Promise<readonly Instance['Service'][]> {
  const { body } = await get(`${consul.address}/v1/health/service/${name}?passing`);
  return (JSON.parse(body) as readonly Instance[]).map(({ Service }) => Service);
}

function askOverTls(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, rejectUnauthorized: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => {
        resolve(text);
      });
    })
      .on('error', reject)
      .end();
  });
}

consulOrSkip('the examples of docs/examples', (path) => {
  let consul: RealConsul;
  let gateway: GatewayProcess;
  beforeAll(async () => {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'cert.pem'), certificate);
    await writeFile(join(folder, 'key.pem'), privateKey);
    consul = await startRealConsul({ path });
    gateway = await startGatewayProcess(consul.address);
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await consul.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('are all started here, or named with those that are not', async () => {
    const files = await readdir(join(repositoryRoot, 'docs/examples'));
    const known = [...routed.map(([file]) => file), 'https.mjs', ...notStarted];
    expect(files.filter((file) => !file.startsWith('.')).sort()).toEqual([...known].sort());
  });

  it.concurrent.each(routed)('%s is routed, and leaves in order', async (example, answer) => {
    await using service = await startExample(example, consul);
    const name = basename(example).replace(/\.\w+$/, '');
    await eventually(async () => {
      const { status, body } = await get(`${gateway.url}/${name}/word`);
      expect([status, body]).toEqual([200, expect.stringMatching(answer)]);
    }, 30_000);
    if (example === 'cluster.mjs') await sharesNoPort(consul);
    if (example === 'websocket.mjs') await echoes(gateway.url);
    expect(await service.stop('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(await instancesOf(`${name}-example`, consul)).toEqual([]);
    expect((await get(`${consul.address}/v1/agent/services`)).body).not.toContain(`${name}-example`);
    if (example === 'nest.ts') expect(service.output().match(/the database is closed/g)).toHaveLength(1);
    // Not a terminal: what is not the program's own is JSON, from the SDK and from Pino.
    const lines = service
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'));
    const last = JSON.parse(lines.at(-1) ?? '') as { msg: string; service: string };
    expect(last).toMatchObject({ msg: 'stopped', service: `${name}-example` });
  });

  it('https.mjs is found in Consul, and no gateway sends it plain HTTP', async () => {
    await using service = await startExample('https.mjs', consul);
    await service.waitFor(/registered /, 20_000);
    const [instance] = await instancesOf('https-example', consul);
    expect(await askOverTls(instance?.Port ?? 0, '/word')).toBe('https /word');
    expect(await service.stop('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(await instancesOf('https-example', consul)).toEqual([]);
  });

  it.each([
    ['node --watch', (file: string) => ['--watch', file]],
    [
      'nodemon --signal SIGTERM',
      (file: string) => [
        join(repositoryRoot, 'node_modules/nodemon/bin/nodemon.js'),
        '--signal',
        'SIGTERM',
        file,
      ],
    ],
  ])('%s replaces the instance at a change, and leaves nothing behind', async (_command, args) => {
    const file = await copyOf('http.mjs');
    await using watcher = await startProcess({
      args: args(file),
      cwd: folder,
      env: { CONSUL_HTTP_ADDR: consul.address },
    });
    const only = async () => {
      const instances = await instancesOf('http-example', consul);
      expect(instances).toHaveLength(1);
      return instances[0]?.ID;
    };
    const first = await eventually(only, 20_000);
    await writeFile(file, `${await readFile(file, 'utf8')}// changed\n`);
    await eventually(async () => {
      expect(await only()).not.toBe(first);
    }, 20_000);
    watcher.signal('SIGTERM');
    await eventually(async () => {
      expect((await get(`${consul.address}/v1/agent/services`)).body).not.toContain('http-example');
    }, 20_000);
  });
});

async function sharesNoPort(consul: RealConsul): Promise<void> {
  await eventually(async () => {
    const ports = (await instancesOf('cluster-example', consul)).map(({ Port }) => Port);
    expect(new Set(ports).size).toBe(2);
  }, 20_000);
}

async function echoes(gateway: string): Promise<void> {
  const socket = new WebSocket(`${gateway.replace('http', 'ws')}/websocket`);
  const heard = new Promise<string>((resolve, reject) => {
    socket.on('open', () => {
      socket.send('hello');
    });
    socket.on('message', (text) => {
      resolve((text as Buffer).toString());
    });
    socket.on('error', reject);
  });
  expect(await heard).toBe('websocket hello');
  socket.terminate();
}
