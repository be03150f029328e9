import { WakeList } from './wake-list.ts';

/**
 * How often a service is asked for. The data path notes requests; the reading plan reads services with requests first, and is woken by the next
 * request.
 */
export class Demand extends WakeList {
  /** Requests so far. */
  count = 0;

  /** Takes note of a request. */
  note(): void {
    this.count += 1;
    this.wake();
  }
}
