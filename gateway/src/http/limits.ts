/** How long a client may take, and how much it may send. */
export interface ListenerLimits {
  /** From the first byte of a connection, or of the next request on it, to the end of the head. → 408 */
  readonly requestHeadMs: number;
  /** An idle keep-alive client connection is closed after this. */
  readonly keepAliveMs: number;
  /** Request line and header lines together. → 431 (414 when the target alone is over) */
  readonly headBytes: number;
  /** Number of header lines. → 431 */
  readonly headLines: number;
  /** Request body; 0 for no limit. → 413 */
  readonly bodyBytes: number;
  /**
   * The least that a client has to send of a body or take of a response while nothing but it is waited for, on the average of each
   * `paceMs`; 0: none. → 408, or a cut
   */
  readonly minBytesPerSecond: number;
  readonly paceMs: number;
  /** Open client connections. For further ones, those that have waited longest for a request are closed. */
  readonly connections: number;
  /** Open client connections from one IPv4 address or IPv6 network of 64 bits; 0: three quarters of `connections`. */
  readonly connectionsPerAddress: number;
  /** Memory for everything that peers can make the gateway hold; 0: derived from heap and container. */
  readonly memoryBytes: number;
}
