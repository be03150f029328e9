/**
 * Why a service could not be started. `invalid_options`: what was passed or set in the environment makes no sense;
 * {@link ServiceError.problems} lists all of it. `port_unavailable`: nothing could be bound. `not_ready`: the framework or the
 * `ready` hook failed. `address_refused`: the address that would be registered cannot be reached from where Consul is.
 * `address_unresolved`: it cannot be determined now, for instance because Consul's name does not resolve; tried again later.
 */
export type ServiceErrorCode =
  'invalid_options' | 'port_unavailable' | 'not_ready' | 'address_refused' | 'address_unresolved';

/** A start that failed. The message is for a person and says what to change; programs look at `code`. */
export class ServiceError extends Error {
  override readonly name = 'ServiceError';
  readonly code: ServiceErrorCode;
  /** One sentence per problem; a single one for every code but `invalid_options`. */
  readonly problems: readonly string[];

  constructor(code: ServiceErrorCode, problems: readonly string[], options: { cause?: unknown } = {}) {
    super(problems.join('\n'), options);
    this.code = code;
    this.problems = problems;
  }
}

/** The `code` of a system error (`EADDRINUSE`), undefined for anything else. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** What went wrong, in one line, from whatever was thrown. */
export function describeError(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The same with the stack, where there is one. */
export function stackOf(error: unknown): string {
  return error instanceof Error && error.stack !== undefined ? error.stack : describeError(error);
}
