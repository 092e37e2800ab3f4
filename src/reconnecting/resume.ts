/**
 * Resuming without loss, as an object from elsewhere, so that only those carry it who use it: what it sends, counts and
 * asks for again is its own affair.
 */

/** A socket that has just opened, as `Resume.first` has it. */
export interface ResumedSocket {
  /** The agreed subprotocol; empty when there is none. */
  readonly protocol: string;
  /** Sends a message. */
  send(data: unknown): unknown;
}

/**
 * What the option `resume` takes: an object that goes on where it was, from one connection to the next. `resumeTopics` of
 * `openline/resume` makes one.
 */
export interface Resume<Data = unknown> {
  /** Asked once before each attempt; providers see the answer as `attempt.resume`. */
  attempt(): unknown;
  /** The subprotocols to offer in place of the application's own. */
  offer(subprotocols: readonly string[]): string[];
  /**
   * Called when a connection opens, before `prepare`, `open` and all messages: it may send, and put members of its own in
   * place of the socket's `send` and `protocol`. What it throws fails the attempt.
   */
  first(socket: ResumedSocket): void;
  /**
   * Sees each message before it is handed to the application: what it returns is the application's, undefined is not
   * delivered. The socket is the one that `first` was given. What it throws ends the connection, and is the `error` of that
   * end; in a loop over a connection, the loop throws it.
   */
  receive(data: Data, socket: ResumedSocket): Data | undefined;
}
