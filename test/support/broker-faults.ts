/** What may go wrong with the server of a broker while nodes publish over it: one list of trials for all kinds of servers. */
import { expect, test } from "vitest";
import type { Broker } from "../../src/cluster/broker/broker.ts";
import { Trial } from "./cluster-trial.ts";
import { eventually } from "./eventually.ts";
import { afterwards } from "./serving.ts";

/** A server that can be killed, stopped and set back. */
export interface FaultyServer {
  restart(): Promise<void>;
  kill(options?: { readonly lose?: boolean }): Promise<void>;
  /** Keeps a copy of its data; it does not run. */
  remember(): void;
  killAndRestore(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
}

/** A server, and nodes' ways to it. */
export interface BrokerUnderTrial {
  readonly server: FaultyServer;
  /** Makes a node's way to it, which finds out within two seconds that it is silent. */
  broker(): Broker;
  /** Ends the connections that there are. */
  cut(): unknown;
}

/** Declares the trials; `by` ends their titles. */
export function faultTests(by: string, start: () => Promise<BrokerUnderTrial>): void {
  async function begin(): Promise<BrokerUnderTrial & { made: Trial }> {
    const under = await start();
    const made = new Trial([under.broker(), under.broker()]);
    afterwards(() => made.close());
    await made.more(50);
    return { ...under, made };
  }

  test(`killed three times with its data kept: nothing is lost, doubled or out of order${by}`, async () => {
    const { server, made } = await begin();
    for (let round = 0; round < 3; round++) {
      await server.kill();
      await server.restart();
      await made.more(100);
    }
    await made.finish();
    expect(made.gaps).toEqual([]);
  });

  test(`killed three times with its data lost: nothing is missing but at a gap${by}`, async () => {
    const { server, made } = await begin();
    for (let round = 0; round < 3; round++) {
      await server.kill({ lose: true });
      await server.restart();
      await made.more(100);
    }
    await made.finish();
    expect(made.gaps.length).toBeGreaterThanOrEqual(2);
    expect(new Set(made.gaps)).toEqual(new Set(["epoch"]));
  });

  test(`all connections cut again and again: nothing is missed${by}`, async () => {
    const { made, cut } = await begin();
    for (let round = 0; round < 10; round++) {
      await cut();
      await made.more(50);
    }
    await made.finish();
    expect(made.gaps).toEqual([]);
  });

  test(`stopped for longer than it is waited for: connected to anew, and nothing is missed${by}`, async () => {
    const { server, made } = await begin();
    server.signal("SIGSTOP");
    const lost = made.nodes.map((node) => node.metrics().disconnects);
    await eventually(() => made.nodes.every((node, index) => node.metrics().disconnects > lost[index]!));
    server.signal("SIGCONT");
    await made.more(100);
    await made.finish();
    expect(made.gaps).toEqual([]);
  });

  test(`back with an old state: every node tells of it, and nothing comes twice${by}`, async () => {
    const { server, made } = await begin();
    await server.kill();
    server.remember();
    await server.restart();
    await made.more(100);
    await made.heardNewest();
    await server.killAndRestore();
    await server.restart();
    await made.more(300);
    await made.finish();
    for (const heard of made.heard) expect(heard.some((one) => "gap" in one)).toBe(true);
    expect(made.gaps).toContain("fork");
  });
}
