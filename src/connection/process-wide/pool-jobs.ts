/**
 * How many jobs of all connections are with other threads, of zlib and of Blobs: a test's clock stands still meanwhile,
 * since nothing shows on the event loop that they are under way.
 */

let underWay = 0;

/** Notes that a job begins. */
export function poolJobBegins(): void {
  underWay++;
}

/** Notes that a job has ended, whatever its outcome. */
export function poolJobEnds(): void {
  underWay--;
}

/** How many jobs have begun and not ended. */
export function poolJobs(): number {
  return underWay;
}
