/**
 * The error of a cluster: what it says of a message's fate is its code.
 */

/**
 * `unavailable`: the broker was not reached, and certainly nothing was stored. `unknown`: it may have been stored.
 * `overloaded`: too much waits already. `too-large`: the message is longer than `maxPayload`. `refused`: the broker says
 * no, and waiting does not heal it: the password, a right, its version. `closed`: the cluster was closed.
 */
export type ClusterErrorCode = "unavailable" | "unknown" | "overloaded" | "too-large" | "refused" | "closed";

/** An error of a cluster; `cause` is the error of the broker's client, where there is one. */
export class ClusterError extends Error {
  /** What became of the message, or why nothing was done. */
  readonly code: ClusterErrorCode;

  constructor(code: ClusterErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  /** The name of the class. */
  override get name(): string {
    return "ClusterError";
  }
}

/** What a broker's `connect` fails with that was called before. */
export function brokerInUse(): ClusterError {
  return new ClusterError("refused", "Cannot connect: the broker belongs to another cluster");
}
