/**
 * A strict reader of HTTP/1.1 messages for tests: an oracle that shares no code with what it judges. Text is latin1.
 */

export type FieldPair = readonly [name: string, value: string];

interface Message {
  readonly startLine: string;
  readonly fields: readonly FieldPair[];
  /** Decoded. */
  readonly body: string;
  readonly trailers: readonly FieldPair[];
  /** Characters that the message takes. */
  readonly length: number;
}

export interface RawRequest extends Message {
  readonly method: string;
  readonly target: string;
  readonly version: string;
}

export interface RawResponse extends Message {
  readonly status: number;
  readonly reason: string;
  readonly version: string;
}

/** All values of a field, in order. */
export function valuesOf(message: { readonly fields: readonly FieldPair[] }, name: string): string[] {
  return message.fields
    .filter(([candidate]) => candidate.toLowerCase() === name.toLowerCase())
    .map(([, value]) => value);
}

/** The request at the start of the text; undefined when it isn't whole yet. Throws on anything that isn't strict HTTP/1.1. */
export function takeRequest(text: string): RawRequest | undefined {
  const head = takeHead(text);
  if (head === undefined) return undefined;
  const line = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e\x80-\xff]+) (HTTP\/1\.[01])$/.exec(head.startLine);
  if (line === null) throw new Error(`not a request line: ${JSON.stringify(head.startLine)}`);
  const { codings, lengths } = framingOf(head.fields);
  const body =
    codings.length > 0 ? chunks(text, head.length) : counted(text, head.length, Number(lengths[0] ?? '0'));
  if (body === undefined) return undefined;
  const [, method = '', target = '', version = ''] = line;
  return { ...head, ...body, method, target, version };
}

/** All whole requests in the text, and what is left behind them. */
export function takeRequests(text: string): {
  readonly requests: readonly RawRequest[];
  readonly rest: string;
} {
  const requests: RawRequest[] = [];
  let at = 0;
  for (;;) {
    const request = at < text.length ? takeRequest(text.slice(at)) : undefined;
    if (request === undefined) return { requests, rest: text.slice(at) };
    requests.push(request);
    at += request.length;
  }
}

/** The response at the start of the text; undefined when it isn't whole yet. Throws on anything that isn't strict HTTP/1.1. */
export function takeResponse(
  text: string,
  method: string,
  connection: 'open' | 'closed',
): RawResponse | undefined {
  const head = takeHead(text);
  if (head === undefined) return undefined;
  const line = /^(HTTP\/1\.1) ([1-5][0-9][0-9]) ([^\r\n]*)$/.exec(head.startLine);
  if (line === null) throw new Error(`not a status line: ${JSON.stringify(head.startLine)}`);
  const [, version = '', code = '', reason = ''] = line;
  const status = Number(code);
  const body = responseBody(text, head, { method, status, connection });
  return body === undefined ? undefined : { ...head, ...body, status, reason, version };
}

interface Body {
  readonly body: string;
  readonly trailers: readonly FieldPair[];
  readonly length: number;
}

function responseBody(
  text: string,
  head: Omit<Message, 'body' | 'trailers'>,
  facts: { readonly method: string; readonly status: number; readonly connection: 'open' | 'closed' },
): Body | undefined {
  const { codings, lengths } = framingOf(head.fields);
  const { method, status, connection } = facts;
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304)
    return counted(text, head.length, 0);
  if (codings.length > 0) return chunks(text, head.length);
  if (lengths.length > 0) return counted(text, head.length, Number(lengths[0]));
  return connection === 'open' ? undefined : counted(text, head.length, text.length - head.length);
}

function takeHead(text: string): Omit<Message, 'body' | 'trailers'> | undefined {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return undefined;
  const [startLine = '', ...lines] = text.slice(0, end).split('\r\n');
  return { startLine, fields: lines.map(fieldLine), length: end + 4 };
}

function fieldLine(line: string): FieldPair {
  const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*$/.exec(line);
  if (match === null) throw new Error(`not a field line: ${JSON.stringify(line)}`);
  return [match[1] ?? '', match[2] ?? ''];
}

function framingOf(fields: readonly FieldPair[]): { readonly codings: string[]; readonly lengths: string[] } {
  const codings = valuesOf({ fields }, 'transfer-encoding');
  const lengths = valuesOf({ fields }, 'content-length');
  if (codings.length + lengths.length > 1) throw new Error('more than one framing field');
  if (codings.some((coding) => coding !== 'chunked')) throw new Error(`coding ${codings.join()}`);
  if (lengths.some((length) => !/^(?:0|[1-9][0-9]*)$/.test(length)))
    throw new Error(`length ${lengths.join()}`);
  return { codings, lengths };
}

function counted(text: string, start: number, bytes: number): Body | undefined {
  if (text.length < start + bytes) return undefined;
  return { body: text.slice(start, start + bytes), trailers: [], length: start + bytes };
}

function chunks(text: string, start: number): Body | undefined {
  let at = start;
  let body = '';
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd === -1) return undefined;
    const size = text.slice(at, lineEnd);
    if (!/^[0-9a-fA-F]{1,8}$/.test(size)) throw new Error(`chunk size ${JSON.stringify(size)}`);
    const bytes = Number.parseInt(size, 16);
    at = lineEnd + 2;
    if (bytes === 0) break;
    if (text.length < at + bytes + 2) return undefined;
    if (text.slice(at + bytes, at + bytes + 2) !== '\r\n') throw new Error('chunk without its end');
    body += text.slice(at, at + bytes);
    at += bytes + 2;
  }
  const trailers: FieldPair[] = [];
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd === -1) return undefined;
    const line = text.slice(at, lineEnd);
    at = lineEnd + 2;
    if (line === '') return { body, trailers, length: at };
    trailers.push(fieldLine(line));
  }
}
