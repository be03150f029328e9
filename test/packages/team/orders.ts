// NestJS as most of it is written: TypeScript with decorators, compiled to CommonJS by ts-node.
import 'reflect-metadata';

import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { startService, type ServiceHandle } from '@roundhouse/agent-sdk';

/** The first request may come before the call below has returned. */
let resolve: (service: ServiceHandle) => void;
const service = new Promise<ServiceHandle>((done) => (resolve = done));

@Controller('orders')
class Orders {
  @Get()
  async list() {
    return { instance: (await service).id, framework: 'nest' };
  }
}

@Module({ controllers: [Orders] })
class App {}

async function main(): Promise<void> {
  const app = await NestFactory.create(App, { logger: ['error', 'warn'] });
  app.enableShutdownHooks();
  await app.init();
  startService({ name: 'orders', routes: ['/orders'], handler: app.getHttpServer() }).then(resolve);
}
void main();
