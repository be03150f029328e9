/**
 * The closed table of everything that can go wrong in an exchange. `docs/errors.md` is tested against it.
 * Statuses follow RFC 9110 §15; `proxyStatus` is the error type of RFC 9209 §2.3.
 */
export interface ErrorRule {
  readonly status: number;
  /** RFC 9209 error type for the `Proxy-Status` field. */
  readonly proxyStatus: string;
  /** Whose fault: decides what is reported to the endpoint's health. */
  readonly blame: 'client' | 'endpoint' | 'service' | 'gateway';
  /**
   * When another instance may be tried. `unsent`: any method, as nothing was sent. `idempotent`: RFC 9110 §9.2.2 methods whose
   * body is not consumed, before any response byte. `never`.
   */
  readonly retry: 'unsent' | 'idempotent' | 'never';
  /** Title of the problem document (RFC 9457) and of the page. */
  readonly title: string;
  /** One sentence for the person who gets the answer. */
  readonly detail: string;
}

const rule = (
  status: number,
  proxyStatus: string,
  blame: ErrorRule['blame'],
  retry: ErrorRule['retry'],
  [title, detail]: readonly [string, string],
): ErrorRule => ({ status, proxyStatus, blame, retry, title, detail });

export const errorTable = {
  // What the client sent can't be taken.
  bad_request: rule(400, 'http_request_error', 'client', 'never', [
    'Bad Request',
    'The request is not valid HTTP, or two readers could understand it differently.',
  ]),
  bad_target: rule(400, 'http_request_error', 'client', 'never', [
    'Bad Request',
    'The request target is not valid, or has no safe normal form.',
  ]),
  bad_host: rule(400, 'http_request_error', 'client', 'never', [
    'Bad Request',
    'A request needs exactly one valid Host.',
  ]),
  bad_framing: rule(400, 'http_request_error', 'client', 'never', [
    'Bad Request',
    'Content-Length or Transfer-Encoding is ambiguous, or a chunk of the body is not valid.',
  ]),
  unsupported_coding: rule(501, 'http_request_error', 'client', 'never', [
    'Not Implemented',
    'The only transfer coding taken is chunked.',
  ]),
  unsupported_version: rule(505, 'http_request_error', 'client', 'never', [
    'HTTP Version Not Supported',
    'HTTP/1.1 and HTTP/1.0 are spoken here.',
  ]),
  method_not_allowed: rule(405, 'http_request_denied', 'client', 'never', [
    'Method Not Allowed',
    'TRACE and CONNECT are not passed on.',
  ]),
  expectation_failed: rule(417, 'http_request_error', 'client', 'never', [
    'Expectation Failed',
    'The only expectation known is 100-continue.',
  ]),
  request_timeout: rule(408, 'http_request_error', 'client', 'never', [
    'Request Timeout',
    'The request did not arrive in time.',
  ]),
  content_too_large: rule(413, 'http_request_error', 'client', 'never', [
    'Content Too Large',
    'The request body is larger than allowed.',
  ]),
  target_too_long: rule(414, 'http_request_error', 'client', 'never', [
    'URI Too Long',
    'The request target is longer than allowed.',
  ]),
  fields_too_large: rule(431, 'http_request_error', 'client', 'never', [
    'Request Header Fields Too Large',
    'The request head is larger, or has more lines, than allowed.',
  ]),
  loop_detected: rule(508, 'proxy_loop_detected', 'client', 'never', [
    'Loop Detected',
    'The request has passed this gateway before.',
  ]),
  client_closed: rule(499, 'http_request_error', 'client', 'never', [
    'Client Closed Request',
    'The client left before the answer.',
  ]),
  // There is no instance to send it to.
  no_route: rule(404, 'destination_not_found', 'client', 'never', [
    'Not Found',
    'No service has claimed this path.',
  ]),
  no_endpoint: rule(503, 'destination_unavailable', 'service', 'never', [
    'Service Unavailable',
    'The service behind this path has no live instance.',
  ]),
  overloaded: rule(503, 'connection_limit_reached', 'service', 'never', [
    'Service Unavailable',
    'The service behind this path is at its limit.',
  ]),
  queue_timeout: rule(503, 'connection_limit_reached', 'service', 'never', [
    'Service Unavailable',
    'No instance behind this path became free in time.',
  ]),
  not_ready: rule(503, 'proxy_internal_response', 'gateway', 'never', [
    'Service Unavailable',
    'This gateway has just started and does not know yet which services there are.',
  ]),
  draining: rule(503, 'proxy_internal_response', 'gateway', 'never', [
    'Service Unavailable',
    'This gateway is shutting down.',
  ]),
  // An instance failed.
  connect_refused: rule(502, 'connection_refused', 'endpoint', 'unsent', [
    'Bad Gateway',
    'The instance refused the connection.',
  ]),
  connect_failed: rule(502, 'destination_ip_unroutable', 'endpoint', 'unsent', [
    'Bad Gateway',
    'The instance could not be reached.',
  ]),
  connect_timeout: rule(504, 'connection_timeout', 'endpoint', 'unsent', [
    'Gateway Timeout',
    'The instance did not accept the connection in time.',
  ]),
  upstream_reset: rule(502, 'connection_terminated', 'endpoint', 'idempotent', [
    'Bad Gateway',
    'The instance closed the connection before it answered.',
  ]),
  upload_refused: rule(502, 'connection_terminated', 'service', 'idempotent', [
    'Bad Gateway',
    'The instance closed the connection in the middle of the request.',
  ]),
  upstream_timeout: rule(504, 'http_response_timeout', 'endpoint', 'never', [
    'Gateway Timeout',
    'The instance did not answer in time.',
  ]),
  try_timeout: rule(504, 'http_response_timeout', 'endpoint', 'idempotent', [
    'Gateway Timeout',
    'The instance did not answer within the time of one try.',
  ]),
  deadline_exceeded: rule(504, 'http_response_timeout', 'service', 'never', [
    'Gateway Timeout',
    'The time for this request is over.',
  ]),
  wrong_instance: rule(502, 'destination_unavailable', 'endpoint', 'unsent', [
    'Bad Gateway',
    'Another process answers where the instance was registered.',
  ]),
  upstream_protocol: rule(502, 'http_protocol_error', 'endpoint', 'never', [
    'Bad Gateway',
    'The instance answered with something that is not valid HTTP.',
  ]),
  upgrade_failed: rule(502, 'http_upgrade_failed', 'endpoint', 'never', [
    'Bad Gateway',
    'The instance agreed to an upgrade that was not asked for.',
  ]),
  response_incomplete: rule(502, 'http_response_incomplete', 'endpoint', 'never', [
    'Bad Gateway',
    'The instance broke off in the middle of its answer.',
  ]),
  // We failed.
  exhausted: rule(503, 'connection_limit_reached', 'gateway', 'unsent', [
    'Service Unavailable',
    'The gateway has run short of memory or connections.',
  ]),
  internal: rule(500, 'proxy_internal_error', 'gateway', 'never', [
    'Internal Server Error',
    'The gateway made a mistake.',
  ]),
} as const satisfies Record<string, ErrorRule>;

/** The name of a failure: stable, used in answers, logs and metrics. */
export type ErrorCode = keyof typeof errorTable;
