/**
 * What calls and promises came to, errors with the rest, for tests that look closely at errors.
 */
import { expect } from "vitest";
import { HandshakeError } from "../../src/index.ts";

/** What a call threw, or gave. */
export function outcomeOf(call: () => unknown): { threw?: unknown; gave?: unknown } {
  try {
    return { gave: call() };
  } catch (threw) {
    return { threw };
  }
}

/** What a promise fails with, in an object; undefined when it does not fail. */
export function failureOf(promise: Promise<unknown>): Promise<{ error: unknown } | undefined> {
  return promise.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
}

/** The HandshakeError that an attempt to connect fails with: anything else fails the test. */
export async function handshakeErrorOf(attempt: Promise<unknown>): Promise<HandshakeError> {
  const { error } = (await failureOf(attempt)) ?? {};
  expect(error).toBeInstanceOf(HandshakeError);
  return error as HandshakeError;
}
