import type { FieldLines } from './field-lines.ts';
import { fieldRole, type ClaimRole, type FieldRole } from './field-roles.ts';
import { asksForLogin, logsIn } from './logins.ts';
import { parseCoding, parseLength, type TransferCoding } from './framing.ts';

/** The lines whose roles are noted; of later ones each is looked up again. */
const markedLines = 31;

/**
 * What the header lines of one message say, gathered in one pass in which each line is classified once. The codec that scans a
 * head calls `mark` and `note` for the lines that have a role; rules decide from it. Undefined: not said. Lists of several lines are joined (RFC 9110
 * §5.3).
 */
export class HeaderFacts {
  /** Bit `i`: line `i` has a role. */
  #marked = 0;
  /** Value of the only Content-Length; −1: absent; −2: repeated or not a plain decimal number. */
  contentLength = -1;
  transferCoding: TransferCoding = 'absent';
  connection: string | undefined = undefined;
  /** In lower case. */
  upgrade: string | undefined = undefined;
  keepAlive: string | undefined = undefined;
  te: string | undefined = undefined;
  expect: string | undefined = undefined;
  /** The last of them; `hostCount` tells how many there are. */
  host: string | undefined = undefined;
  hostCount = 0;
  accept: string | undefined = undefined;
  via: string | undefined = undefined;
  maxForwards: string | undefined = undefined;
  /** What a proxy in front may say about the client, its request id and its time; believed from trusted peers only. */
  claims: Partial<Record<ClaimRole, string>> | undefined = undefined;
  dated = false;
  /** R51: whether the connection that it goes over belongs to its client from now on. */
  login = false;
  /** R05: whether a field that may stand once was repeated. */
  hasRepeatedSingleton = false;
  /** Names of the fields that may stand once, as they came, with commas between. */
  #singletons: string | undefined = undefined;

  /** The role of line `line`, which has this name. */
  roleAt(line: number, name: string): FieldRole {
    return line < markedLines && (this.#marked & (1 << line)) === 0 ? 'end-to-end' : fieldRole(name);
  }

  /** Line `line` has a role. */
  mark(line: number): void {
    if (line < markedLines) this.#marked |= 1 << line;
  }

  /** Takes what a marked line says. `value`: without outer blanks. */
  note(role: Exclude<FieldRole, 'end-to-end'>, name: string, value: string): void {
    switch (role) {
      case 'host':
        this.hostCount += 1;
        this.host = value;
        return;
      case 'accept':
        this.accept = joined(this.accept, value);
        return;
      case 'connection':
        this.connection = joined(this.connection, value);
        return;
      case 'content-length':
        this.contentLength = this.contentLength === -1 ? parseLength(value) : -2;
        return;
      case 'date':
        this.dated = true;
        return;
      case 'keep-alive':
        this.keepAlive = joined(this.keepAlive, value);
        return;
      case 'transfer-encoding':
        this.transferCoding = this.transferCoding === 'absent' ? parseCoding(value) : 'faulty';
        return;
      case 'singleton':
        this.#noteSingleton(name);
        return;
      case 'authorization':
        this.login = logsIn(value);
        this.#noteSingleton(name);
        return;
      case 'challenge':
        this.login ||= asksForLogin(value);
        return;
      case 'te':
        this.te = joined(this.te, value);
        return;
      case 'expect':
        this.expect = joined(this.expect, value);
        return;
      case 'upgrade':
        this.upgrade = joined(this.upgrade, value.toLowerCase());
        return;
      case 'via':
        this.via = joined(this.via, value);
        return;
      case 'max-forwards':
        if (this.maxForwards !== undefined) this.hasRepeatedSingleton = true;
        this.maxForwards = value;
        return;
      case 'hop-by-hop':
      case 'forwarded-other':
        return;
      default:
        this.claims ??= {};
        this.claims[role] = role === 'request-id' ? value : joined(this.claims[role], value);
    }
  }

  #noteSingleton(name: string): void {
    if (this.hasRepeatedSingleton) return;
    const before = this.#singletons;
    if (before?.toLowerCase().split(',').includes(name.toLowerCase()) === true)
      this.hasRepeatedSingleton = true;
    this.#singletons = before === undefined ? name : `${before},${name}`;
  }
}

const joined = (before: string | undefined, value: string): string =>
  before === undefined ? value : `${before}, ${value}`;

const outerBlanks = /^[ \t]+|[ \t]+$/g;

/** The facts of lines that a codec has not gathered. */
export function readHeaders(fields: FieldLines): HeaderFacts {
  const facts = new HeaderFacts();
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] ?? '';
    const role = fieldRole(name);
    if (role === 'end-to-end') continue;
    facts.mark(i >> 1);
    facts.note(role, name, (fields[i + 1] ?? '').replace(outerBlanks, ''));
  }
  return facts;
}
