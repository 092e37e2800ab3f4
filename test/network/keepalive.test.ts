/**
 * D02, D19: which peers keepalive gives up, over a network that loses packets, with a thousand peers for each role.
 *
 * The judge is a server and a client at once, in a process and on a host of its own; its peers are bytes over sockets,
 * in a process on another host.
 *
 * @module-tag slow
 */
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import type { JudgeReport } from "./judge.ts";
import { addresses, describeWithNetwork, type HostProgram, Network } from "./namespaces.ts";

const second = 1000;
/** How many connections there are for each role to the address whose packets are lost, and to the other. */
const [lossy, healthy] = [1000, 200];

/** A judge and its peers, all connected. */
interface Trial {
  readonly network: Network;
  readonly judge: HostProgram;
  readonly peers: HostProgram;
}

interface TrialOptions {
  readonly way?: "keepalive" | "naive";
  /** Milliseconds; the interval is 2 s. */
  readonly timeout?: number;
}

describeWithNetwork(
  "a judge as server and as client, each with a thousand peers over a network that loses packets",
  () => {
    const networks: Network[] = [];
    const closeAll = () => {
      for (const network of networks.splice(0)) network.close();
    };
    // Whatever ends the tests must not leave hosts behind.
    process.once("exit", closeAll);
    afterAll(closeAll);

    async function begin({ way = "keepalive", timeout = 2 * second }: TrialOptions = {}): Promise<Trial> {
      const network = new Network();
      networks.push(network);
      const peers = network.start("peers", "peers.ts", [lossy, healthy]);
      const judging = [way, 2 * second, timeout, await peers.says<number>(), lossy, healthy];
      const judge = network.start("judge", "judge.ts", judging);
      await peers.says(await judge.says<number>());
      return { network, judge, peers };
    }

    function ask({ judge }: Trial): Promise<JudgeReport> {
      return judge.says<JudgeReport>("how is it?");
    }

    /** Stops the judge while it waits for answers, lets the answers come, and wakes it up when the time of all is long over. */
    async function suspend(trial: Trial): Promise<{ readonly answered: number; readonly report: JudgeReport }> {
      const { judge, peers } = trial;
      await peers.says("hold");
      // At any moment of the third second there are connections whose time is over at the judge's next look.
      await delay(2.5 * second);
      judge.process.send("stop");
      await delay(0.5 * second);
      const answered = await peers.says<number>("answer");
      await delay(20 * second);
      judge.process.kill("SIGCONT");
      await delay(5 * second);
      return { answered, report: await ask(trial) };
    }

    test.concurrent("D02: peers behind a black hole are found in time, the others stay", {
      timeout: 240_000,
    }, async () => {
      const trial = await begin();
      trial.network.lose(1);
      while ((await ask(trial)).givenUp.length < 2 * lossy) await delay(0.5 * second);
      const { answers } = await ask(trial);
      // Two more rounds for the others.
      await delay(6 * second);
      const report = await ask(trial);
      expect(report.open).toBe(2 * healthy);
      expect(report.answers).toBeGreaterThanOrEqual(answers + 2 * 2 * healthy);
      for (const role of ["server", "client"]) {
        const givenUp = report.givenUp.filter((one) => one.role === role);
        expect(givenUp.filter(({ address, code }) => address === addresses.lossy && code === 1006)).toHaveLength(lossy);
        expect(givenUp).toHaveLength(lossy);
        expect(new Set(givenUp.map(({ because }) => because))).toEqual(
          new Set([expect.stringMatching(/was silent for \d+ ms and did not answer a Ping$/)]),
        );
        // As the judge counts its seconds, so that no busy machine is taken for a late verdict.
        expect(Math.max(...givenUp.map(({ lastReceivedAgo }) => lastReceivedAgo))).toBeLessThanOrEqual(5 * second);
      }
    });

    test.concurrent("D02: one packet of a hundred lost is no death", { timeout: 240_000 }, async () => {
      const trial = await begin({ timeout: 4 * second });
      trial.network.lose(0.01);
      await delay(35 * second);
      const { givenUp, open, answers } = await ask(trial);
      expect(new Set(givenUp.map(({ role, because }) => `${role}: ${because}`))).toEqual(new Set());
      expect(open).toBe(2 * (lossy + healthy));
      // Several rounds of Pings over a line that did lose some.
      expect(answers).toBeGreaterThan(5 * open);
      expect(trial.network.lost).toBeGreaterThan(100);
    });

    test.concurrent("D19: suspended for five times what its peers have, it reads before it judges", {
      timeout: 240_000,
    }, async () => {
      const { answered, report } = await suspend(await begin());
      expect(answered).toBeGreaterThan(0);
      expect(new Set(report.givenUp.map(({ role, because }) => `${role}: ${because}`))).toEqual(new Set());
      expect(report.open).toBeGreaterThan(0);
    });

    test.concurrent("D19: the control, suspended, judges by the clock whose answers wait to be read", {
      timeout: 240_000,
    }, async () => {
      const { answered, report } = await suspend(await begin({ way: "naive" }));
      expect(answered).toBeGreaterThan(0);
      expect(report.givenUp.length).toBeGreaterThan(0);
    });
  },
);
