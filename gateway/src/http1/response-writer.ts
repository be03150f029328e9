import type { Socket } from 'node:net';

import type { AnswerStep, RelayStep } from '../exchange/seam.ts';
import type { Persistence } from '../http/connection.ts';
import { sentFraming, type SentFraming } from '../http/framing.ts';
import type { ResponseHead } from '../http/message.ts';
import type {
  AcceptedRequest,
  BodyForm,
  BodyPiece,
  CutBy,
  Flow,
  InstanceResponse,
  ResponseWriter,
} from '../proxy/ports.ts';
import type { MemoryBudget } from '../sockets/memory-budget.ts';
import { PendingWrites } from '../sockets/pending-writes.ts';
import { isFieldText } from './grammar.ts';
import { answerText, chunkedEnd, lastChunk, responseText } from './message-text.ts';
import { chunkAround, writeCopy, writePiece } from './socket-writer.ts';

const nothing: SentFraming = { kind: 'none' };

/** Writes the responses of one client connection, one after the other, each in the one framing that its client understands. */
export class Http1ResponseWriter implements ResponseWriter {
  persistence: Persistence = 'keep';
  readonly #socket: Socket;
  readonly writes: PendingWrites;
  readonly #httpDate: () => string;
  #request: AcceptedRequest | undefined;
  #framing = nothing;
  #trailers: RelayStep['trailers'];
  /** The head, until it is written together with the first bytes of the body. */
  #head = '';

  constructor(
    socket: Socket,
    { memory, httpDate }: { readonly memory: MemoryBudget; readonly httpDate: () => string },
  ) {
    this.#socket = socket;
    this.writes = new PendingWrites(socket, memory);
    this.#httpDate = httpDate;
  }

  /** The request that the next response answers; undefined between two exchanges. */
  set request(request: AcceptedRequest | undefined) {
    this.#request = request;
    this.#trailers = undefined;
  }

  get cutBy(): CutBy {
    return this.#framing.kind === 'close' ? 'reset' : 'plain';
  }

  interim(head: ResponseHead): void {
    this.#socket.write(responseText(head, nothing, 'keep'), 'latin1');
    // Counts them for a client that doesn't read; there are few in each exchange.
    this.writes.flow();
  }

  answer(step: AnswerStep, persistence: Persistence): number {
    if (!step.fields.every(isFieldText))
      throw new Error(`an answer ${String(step.status)} has a field that can not be written`);
    const method = this.#request?.method ?? 'GET';
    const date = this.#httpDate();
    this.#socket.write(answerText(step, method, { date, connection: persistence }), 'latin1');
    return method === 'HEAD' ? 0 : Buffer.byteLength(step.body);
  }

  begin(step: RelayStep, { body }: InstanceResponse, persistence: Persistence): BodyForm {
    const framing = sentFraming(body, this.#request?.version ?? '1.0');
    this.#framing = framing;
    this.#trailers = step.trailers;
    this.persistence = framing.kind === 'close' ? 'close' : persistence;
    this.#head = responseText(step, framing, this.persistence);
    return framing.kind === 'chunked' ? 'framed' : 'content';
  }

  send(piece: BodyPiece): Flow {
    const head = this.#head;
    this.#head = '';
    if (this.#framing.kind === 'chunked') {
      const end = piece.state === 'done' ? this.#end(piece) : '';
      const { before, after } = chunkAround(piece, end);
      writePiece(this.#socket, piece, { before: head + before, after });
    } else {
      writePiece(this.#socket, piece, { before: head, after: '' });
    }
    return this.writes.flow();
  }

  flushHead(): void {
    if (this.#head !== '') this.#socket.write(this.#head, 'latin1');
    this.#head = '';
  }

  switchProtocols(step: RelayStep, protocol: string): void {
    this.#socket.write(responseText(step, nothing, { upgrade: protocol }), 'latin1');
  }

  sendRaw(bytes: Buffer): Flow {
    writeCopy(this.#socket, bytes);
    return this.writes.flow();
  }

  endRaw(): void {
    this.#socket.end();
  }

  /** Whether the client takes more bytes. */
  get flow(): Flow {
    return this.writes.flow();
  }

  #end({ trailers }: BodyPiece): string {
    const kept = this.#trailers === undefined ? trailers : this.#trailers(trailers);
    return this.#request?.wantsTrailers === true ? chunkedEnd(kept) : lastChunk;
  }
}
