/**
 * Chromium as it is: started without the flags of a driver, and spoken to in the DevTools protocol.
 *
 * Drivers keep every page in front and awake, and switch off the back/forward cache, which is just what is looked at here.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";

/** A tab. Expressions are JavaScript in its page. */
export interface RawTab {
  /** Sends a command of the protocol to the tab. */
  send(method: string, parameters?: object): Promise<unknown>;
  /** The value of an expression, or of its promise; JSON only. */
  read<Value>(expression: string): Promise<Value>;
  /** Resolves when the expression is true; while the page is on its way elsewhere, it is not. */
  until(expression: string, patience?: number): Promise<void>;
  /** Puts it before the other tabs of its window, which are hidden then. */
  show(): Promise<void>;
  close(): Promise<void>;
}

/** A browser. */
export interface RawChromium {
  tab(url: string): Promise<RawTab>;
  close(): Promise<void>;
}

interface Answer {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe"];
const idleFlags = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** Starts Chromium, in which a page is hidden as long before its timers are slowed as in anybody's. */
export async function startChromium(executable: string): Promise<RawChromium> {
  const profile = mkdtempSync(join(tmpdir(), "openline-chromium-"));
  // It ends when its pipe does, so that none outlives a test that is killed.
  const browser = spawn(executable, [...flags, ...idleFlags, `--user-data-dir=${profile}`], {
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
  });
  const ended = once(browser, "exit");
  const [commands, answers] = [browser.stdio[3] as Writable, browser.stdio[4] as Readable];
  const waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  let count = 0;
  void (async () => {
    for await (const text of messagesOf(answers)) {
      const { id = 0, result, error } = JSON.parse(text) as Answer;
      const call = waiting.get(id);
      waiting.delete(id);
      if (error) call?.reject(new Error(error.message));
      else call?.resolve(result);
    }
    for (const { reject } of waiting.values()) reject(new Error("Chromium has ended"));
  })();
  const send = <Result>(method: string, params: object = {}, sessionId?: string): Promise<Result> =>
    new Promise((resolve, reject) => {
      waiting.set(++count, { resolve: resolve as (result: unknown) => void, reject });
      commands.write(`${JSON.stringify({ id: count, method, params, sessionId })}\0`);
    });

  return {
    async tab(url) {
      const { targetId } = await send<{ targetId: string }>("Target.createTarget", { url });
      const attached = await send<{ sessionId: string }>("Target.attachToTarget", { targetId, flatten: true });
      const read = async <Value>(expression: string): Promise<Value> => {
        const parameters = { expression, awaitPromise: true, returnByValue: true };
        const { result, exceptionDetails } = await send<Evaluated>("Runtime.evaluate", parameters, attached.sessionId);
        if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
        return result.value as Value;
      };
      return {
        send: (method, parameters) => send(method, parameters, attached.sessionId),
        read,
        async until(expression, patience = 30_000) {
          const deadline = Date.now() + patience;
          while ((await read(expression).catch(() => false)) !== true) {
            if (Date.now() > deadline) throw new Error(`Waited ${patience} ms in vain for: ${expression}`);
            await delay(50);
          }
        },
        show: async () => void (await send("Target.activateTarget", { targetId })),
        close: async () => void (await send("Target.closeTarget", { targetId })),
      };
    },
    async close() {
      await send("Browser.close").catch(() => {});
      await ended;
      rmSync(profile, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}

interface Evaluated {
  readonly result: { readonly value?: unknown };
  readonly exceptionDetails?: { readonly text: string; readonly exception?: { readonly description?: string } };
}

/** Each message ends with a zero byte. */
async function* messagesOf(answers: Readable): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of answers.setEncoding("utf8")) {
    const messages = (rest + chunk).split("\0");
    rest = messages.pop()!;
    yield* messages;
  }
}
