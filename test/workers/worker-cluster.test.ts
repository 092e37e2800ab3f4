/** The cluster of a module that runs alone, what it refuses, and the links of processes. */
import { Buffer } from "node:buffer";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect as dial } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { connect } from "../../src/client/connect.ts";
import { workerCluster } from "../../src/workers/index.ts";
import type { FramePort } from "../../src/workers/links/frame-port.ts";
import { Peers } from "../../src/workers/seat/peers.ts";
import { eventually } from "../support/eventually.ts";
import { afterwards, serving } from "../support/serving.ts";

describe("a module that runs alone", () => {
  test("serves as one process without others", async () => {
    const cluster = workerCluster({ log: () => {} });
    afterwards(() => cluster.close());
    const server = await serving({
      cluster,
      routes: {
        "/": {
          open: (connection) => connection.subscribe("news"),
          message: (connection, data) => void connection.publish("news", data),
        },
      },
    });
    const got: unknown[][] = [[], []];
    const clients = await Promise.all(
      got.map((list) => connect(`ws://127.0.0.1:${server.port}/`, { message: (_, data) => void list.push(data) })),
    );
    const heard: unknown[] = [];
    await cluster.subscribe("news", ({ data }) => void heard.push(data)).ready;
    await eventually(() => server.subscriberCount("news") === 2);
    clients[0]!.send("by a client");
    await eventually(() => heard.length === 1);
    expect(await cluster.publish("news", "by the process")).toBeUndefined();
    await eventually(() => got[1]!.length === 2);
    expect(got).toEqual([["by the process"], ["by a client", "by the process"]]);
    expect(heard).toEqual(["by a client", "by the process"]);
    expect(cluster.metrics()).toMatchObject({ state: "connected", relayed: 0, relayDropped: 0 });
    expect(await server.publish("news", "no history").stored).toBeUndefined();
  });

  test("may have several clusters, as its tests do", async () => {
    const clusters = [workerCluster(), workerCluster()];
    await Promise.all(clusters.map((cluster) => cluster.ready));
    await Promise.all(clusters.map((cluster) => cluster.close()));
    expect(clusters.map(({ state }) => state)).toEqual(["closed", "closed"]);
  });
});

test("a rule with a history is refused by the name of what keeps one, and options that cannot be are sentences", () => {
  expect(() => workerCluster({ topics: { "room/*": { history: { size: 10 } } } })).toThrow(
    /^Cannot make a worker cluster: the rule of "room\/\*" has a history, which no worker keeps; .*redisBroker or natsBroker$/,
  );
  expect(() => workerCluster({ maxBacklogSize: 0 })).toThrow(RangeError);
  expect(() => workerCluster({ broker: {} } as object)).toThrow(/there is no option "broker"/);
});

describe("links of processes", () => {
  async function listening() {
    const ports: FramePort[] = [];
    const frames: string[] = [];
    const peers = new Peers((port) => {
      ports.push(port);
      port.listen(
        (frame) => void frames.push(frame.toString()),
        () => {},
      );
    });
    afterwards(() => {
      peers.close();
      for (const port of ports) port.close();
    });
    return { ports, frames, address: await peers.listen() };
  }

  test("begin with the secret; who says another is let go, and nothing it says is read", async () => {
    const { ports, frames, address } = await listening();
    const stranger = dial(address.path);
    stranger.on("error", () => {});
    stranger.write(`${"0".repeat(64)}\0\0\0\u0001x`);
    await once(stranger, "close");
    expect([ports, frames]).toEqual([[], []]);
  });

  test("carry frames whole and in order, in whatever pieces they come", async () => {
    const { frames, address } = await listening();
    const socket = dial(address.path);
    afterwards(() => socket.destroy());
    const long = "y".repeat(200_000);
    const bytes = Buffer.concat(
      ["a", "", "bc", long, "d"].map((text) => {
        const prefix = Buffer.alloc(4);
        prefix.writeUInt32BE(text.length);
        return Buffer.concat([prefix, Buffer.from(text)]);
      }),
    );
    const all = Buffer.concat([Buffer.from(address.secret), bytes]);
    // Byte by byte as far as the short ones go.
    for (let at = 0; at < 100; at++)
      await new Promise<void>((sent) => void socket.write(all.subarray(at, at + 1), () => sent()));
    socket.write(all.subarray(100));
    await eventually(() => frames.length === 5);
    expect(frames).toEqual(["a", "", "bc", long, "d"]);
  });

  test("are made again while the other is there, and given up when it is gone", async () => {
    const { ports, address } = await listening();
    const made: FramePort[] = [];
    const dialer = new Peers((port) => {
      made.push(port);
      port.listen(
        () => {},
        () => {},
      );
    });
    afterwards(() => {
      dialer.close();
      for (const port of made) port.close();
    });
    dialer.dial(address);
    await eventually(() => ports.length === 1);
    ports[0]!.close();
    await eventually(() => ports.length === 2);
    expect(made.length).toBeGreaterThanOrEqual(2);
  });
});

test("CommonJS modules are workers and primaries", async () => {
  const index = new URL("../../.cache/programs/src/", import.meta.url).pathname;
  const folder = mkdtempSync(join(tmpdir(), "openline-workers-"));
  afterwards(() => rmSync(folder, { recursive: true }));
  const required = (path: string) => JSON.stringify(`${index}${path}`);
  writeFileSync(
    join(folder, "server.cjs"),
    `const { serve } = require(${required("index.js")});
     const { workerCluster } = require(${required("workers/index.js")});
     serve({ host: "127.0.0.1", cluster: workerCluster(), routes: { "/": { open: (connection) => connection.send("hello") } } });`,
  );
  writeFileSync(
    join(folder, "main.cjs"),
    `const { serveOnCores } = require(${required("workers/index.js")});
     const { connect } = require(${required("index.js")});
     (async () => {
       const workers = await serveOnCores({ entry: require.resolve("./server.cjs"), workers: 2 });
       const connection = await connect("ws://127.0.0.1:" + workers.port + "/");
       for await (const data of connection) { console.log(data); break; }
       await workers.close();
     })();`,
  );
  const out = await new Promise((resolve) => {
    execFile(process.execPath, [join(folder, "main.cjs")], (error, stdout) => resolve(error ?? stdout));
  });
  expect(out).toBe("hello\n");
});
