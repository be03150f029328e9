import type { IncomingMessage } from 'node:http';

import { responsePersistence, type Persistence } from '../http/connection.ts';
import { responseFraming } from '../http/framing.ts';
import { readHeaders } from '../http/header-facts.ts';
import { isFinalStatus } from '../http/interim.ts';
import type { ResponseHead } from '../http/message.ts';
import type { InstanceResponse } from '../proxy/ports.ts';
import { isWritable } from './field-lines.ts';

const responseHeadLines = 500;

/** A response head that node:http has taken, and whether its connection may serve another exchange. */
export interface NodeResponse extends InstanceResponse {
  readonly persistence: Persistence;
}

/** The response, when its head is one that can be passed on (R15, R44); else undefined. */
export function readResponse(message: IncomingMessage, method: string): NodeResponse | undefined {
  const {
    statusCode: status = 0,
    statusMessage: reason = '',
    rawHeaders: fields,
    httpVersion: version,
  } = message;
  if (!isFinalStatus(status) || (version !== '1.1' && version !== '1.0')) return undefined;
  const headers = readHeaders(fields);
  const body = responseFraming(headers, { method, status, version });
  if (body === 'upstream_protocol') return undefined;
  const persistence = responsePersistence(headers, { status, version, body });
  return { status, reason, fields, headers, body, persistence };
}

/** Whether node:http will write it again without throwing. */
export function isSound({ reason, fields }: ResponseHead): boolean {
  return fields.length / 2 <= responseHeadLines && isWritable(reason) && fields.every(isWritable);
}
