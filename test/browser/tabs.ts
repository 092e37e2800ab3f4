/**
 * One way to drive two browsers: Chromium through playwright-core, Firefox through puppeteer-core (WebDriver BiDi).
 * Every tab keeps what its console reported as an error and what its security policy refused.
 */
import { chromium } from "playwright-core";
import { launch } from "puppeteer-core";

/** A tab. Selectors are CSS; `until` takes a JavaScript expression and waits for it to be true in the page. */
export interface Tab {
  goto(url: string): Promise<void>;
  /** Makes the window as large as that, in CSS pixels. */
  resize(width: number, height: number): Promise<void>;
  click(selector: string): Promise<void>;
  type(selector: string, text: string): Promise<void>;
  press(key: "Enter"): Promise<void>;
  choose(selector: string, value: string): Promise<void>;
  upload(selector: string, path: string): Promise<void>;
  /** Puts it before the other tabs. Chromium's driver hides none of them. */
  show(): Promise<void>;
  back(): Promise<void>;
  /** Takes the network from it, or gives it back. */
  offline(isOffline: boolean): Promise<void>;
  /** The value of an expression; JSON only. */
  read<Value>(expression: string): Promise<Value>;
  until(expression: string, patience?: number): Promise<void>;
  /** Errors of the console and of scripts, and refusals of the page's policy. */
  complaints(): Promise<string[]>;
  close(): Promise<void>;
}

/** A browser. */
export interface Browser {
  tab(): Promise<Tab>;
  close(): Promise<void>;
}

const CHROMIUM_ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const PATIENCE = 10_000;

/** Runs in the page before any of its scripts. */
const WATCH_POLICY = `globalThis.refusals = [];
addEventListener("securitypolicyviolation", (event) =>
  refusals.push(event.violatedDirective + " refused " + event.blockedURI));`;

/** Starts Chromium. */
export async function openChromium(executablePath: string): Promise<Browser> {
  const browser = await chromium.launch({ executablePath, args: CHROMIUM_ARGS });
  const context = await browser.newContext({ permissions: ["clipboard-read", "clipboard-write"] });
  await context.addInitScript(WATCH_POLICY);
  return {
    close: () => browser.close(),
    async tab() {
      const page = await context.newPage();
      const errors: string[] = [];
      page.on("console", (message) => {
        if (message.type() === "error") errors.push(`${message.text()} ${message.location().url}`);
      });
      page.on("pageerror", (error) => errors.push(error.message));
      const read = <Value>(expression: string): Promise<Value> => page.evaluate(expression) as Promise<Value>;
      return {
        read,
        until: (expression, patience) => until(read, expression, patience),
        complaints: async () => [...errors, ...(await read<string[]>("refusals"))],
        goto: async (url) => void (await page.goto(url)),
        resize: (width, height) => page.setViewportSize({ width, height }),
        click: (selector) => page.click(selector),
        type: (selector, text) => page.fill(selector, text),
        press: (key) => page.keyboard.press(key),
        choose: async (selector, value) => void (await page.selectOption(selector, value)),
        upload: (selector, path) => page.setInputFiles(selector, path),
        show: () => page.bringToFront(),
        back: async () => void (await page.goBack()),
        offline: (isOffline) => context.setOffline(isOffline),
        close: () => page.close(),
      };
    },
  };
}

/** Starts Firefox. */
export async function openFirefox(executablePath: string): Promise<Browser> {
  const browser = await launch({ browser: "firefox", executablePath, headless: true });
  return {
    close: () => browser.close(),
    async tab() {
      const page = await browser.newPage();
      await page.evaluateOnNewDocument(WATCH_POLICY);
      const errors: string[] = [];
      page.on("console", (message) => {
        if (message.type() === "error") errors.push(`${message.text()} ${message.location().url}`);
      });
      page.on("pageerror", (error) => errors.push(String(error)));
      const read = <Value>(expression: string): Promise<Value> => page.evaluate(expression) as Promise<Value>;
      return {
        read,
        until: (expression, patience) => until(read, expression, patience),
        complaints: async () => [...errors, ...(await read<string[]>("refusals"))],
        goto: async (url) => void (await page.goto(url)),
        resize: (width, height) => page.setViewport({ width, height }),
        click: (selector) => page.click(selector),
        type: async (selector, text) => void (await page.locator(selector).fill(text)),
        press: (key) => page.keyboard.press(key),
        choose: async (selector, value) => void (await page.select(selector, value)),
        upload: async (selector, path) => {
          const input = await page.waitForSelector(`input${selector}` as "input");
          await input?.uploadFile(path);
        },
        show: () => page.bringToFront(),
        back: async () => void (await page.goBack()),
        offline: (isOffline) => page.setOfflineMode(isOffline),
        close: () => page.close(),
      };
    },
  };
}

async function until(
  read: (expression: string) => Promise<unknown>,
  expression: string,
  patience = PATIENCE,
): Promise<void> {
  const deadline = Date.now() + patience;
  while ((await read(expression)) !== true) {
    if (Date.now() > deadline) throw new Error(`Waited ${patience} ms in vain for: ${expression}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
