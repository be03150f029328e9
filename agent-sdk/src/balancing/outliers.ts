/**
 * Success-rate outliers: an endpoint that answers far more errors than its siblings do is ejected, though none of its failures was
 * certain by itself. Each one is compared with all the others together, so that it works for three instances as for a hundred
 * (the usual mean and deviation over all can't single out one of three), and a service that fails everywhere ejects nobody.
 */
export interface OutlierPolicy {
  /** Length of the window in which answers are counted; 0: never. */
  readonly windowMs: number;
  /** Answers in the window below which an endpoint is not judged. */
  readonly minRequests: number;
  /** How far an endpoint's success rate may lie below that of the others, 0..1. */
  readonly margin: number;
}
