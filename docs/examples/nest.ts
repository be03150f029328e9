// NestJS, on Express or on Fastify. All shutdown hooks run within the stop, after the last request.
import 'reflect-metadata';
import { Controller, Get, Injectable, Module, type OnApplicationShutdown, Param } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { startService } from '@roundhouse/agent-sdk';

@Controller('nest')
class WordController {
  @Get(':word')
  answer(@Param('word') word: string): string {
    return `nest ${word}`;
  }
}

@Injectable()
class Database implements OnApplicationShutdown {
  onApplicationShutdown(): void {
    console.log('nest: the database is closed');
  }
}

@Module({ controllers: [WordController], providers: [Database] })
class App {}

const app = await NestFactory.create(App, { logger: ['error', 'warn'] });
app.enableShutdownHooks();

await startService({ name: 'nest-example', routes: ['/nest'], handler: app });
