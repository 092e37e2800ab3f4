/**
 * A promise with its ends in hand, as `Promise.withResolvers` gives it where the runtime has that.
 */

/** A promise and the function that resolves it. */
export interface Deferred<Value> {
  readonly promise: Promise<Value>;
  readonly resolve: (value: Value) => void;
}

/** Makes a promise that its maker resolves. */
export function deferred<Value>(): Deferred<Value> {
  let resolve!: (value: Value) => void;
  const promise = new Promise<Value>((give) => {
    resolve = give;
  });
  return { promise, resolve };
}
