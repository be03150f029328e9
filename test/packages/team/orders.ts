// NestJS as most of it is written: TypeScript with decorators, compiled to CommonJS by ts-node.
import 'reflect-metadata';

import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { startService, type ServiceHandle } from '@roundhouse/agent-sdk';

let service: ServiceHandle | undefined;

@Controller('orders')
class Orders {
  @Get()
  list() {
    return { instance: service?.id, framework: 'nest' };
  }
}

@Module({ controllers: [Orders] })
class App {}

async function main(): Promise<void> {
  const app = await NestFactory.create(App, { logger: ['error', 'warn'] });
  app.enableShutdownHooks();
  await app.init();
  service = await startService({ name: 'orders', routes: ['/orders'], handler: app.getHttpServer() });
}
void main();
