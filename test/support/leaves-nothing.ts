/**
 * The tests of a file that leave the process as they found it: no socket and no timer stays, nothing is uncaught, and
 * nothing is written to stderr.
 */
import { afterAll, afterEach, beforeAll, expect, vi } from "vitest";
import { leftovers, noteResources, type Resources } from "./resources.ts";

/** What nobody caught in this process, from the call on. */
export function watchUncaught(): { readonly caught: readonly unknown[]; stop(): void } {
  const caught: unknown[] = [];
  const note = (error: unknown) => void caught.push(error);
  process.on("uncaughtException", note);
  process.on("unhandledRejection", note);
  return {
    caught,
    stop: () => {
      process.off("uncaughtException", note);
      process.off("unhandledRejection", note);
    },
  };
}

/**
 * Holds each test of the file to it. To be called before the file's own hooks: Vitest then notes what is open before they
 * open anything, and looks again when they have put their things away. With `complains`, stderr is the file's own matter.
 */
export function leavesNothing({ complains = false } = {}): void {
  const uncaught = watchUncaught();
  const stderr = complains ? undefined : vi.spyOn(console, "error");
  let before: Resources = {};
  const expectNothing = async (noted: Resources) => {
    expect(await leftovers(noted)).toEqual({});
    expect(uncaught.caught).toEqual([]);
    expect(stderr?.mock.calls ?? []).toEqual([]);
  };
  beforeAll(async () => {
    before = await noteResources();
  });
  // Between two tests one timer may be Vitest's: to wait for its end each time would cost most of a file's time.
  afterEach(() => expectNothing({ ...before, Timeout: (before.Timeout ?? 0) + 1 }));
  afterAll(async () => {
    await expectNothing(before);
    uncaught.stop();
  });
}
