/**
 * Draining a server whose thousands of clients talk all the time, from another process: nothing that was accepted is lost.
 *
 * @module-tag slow
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { typescriptProgram } from "../../../scripts/typescript-program.ts";
import { route } from "../../../src/server/route.ts";
import { type Server, serve } from "../../../src/server/server.ts";
import type { ServerConnection } from "../../../src/server/server-connection.ts";
import type { ClientsReport } from "../../support/busy-clients.ts";
import { until } from "../../support/connection-pair.ts";

/** A slow machine gets fewer. */
const mostClients = 5000;
const script = fileURLToPath(new URL("../../support/busy-clients.ts", import.meta.url));

let server: Server | undefined;
let clients: ChildProcess | undefined;

afterEach(async () => {
  clients?.kill("SIGKILL");
  for (const connection of server?.connections ?? []) connection.terminate();
  await server?.close();
});

/** The server's counts of one connection. */
interface Ledger {
  readonly id: number;
  received: number;
  /** The number of accepted replies: those sent while the connection was open. */
  accepted: number;
  /** The last number that was published before the connection's Close. */
  lastNews: number;
}

function reply(connection: ServerConnection<Ledger>): void {
  if (connection.readyState !== 1) return;
  connection.data.accepted++;
  connection.send(`r${connection.data.accepted}`);
}

test("up to 5000 busy connections lose nothing that was accepted, in either direction [D06]", async () => {
  const ledgers: Ledger[] = [];
  let published = 0;
  const talk = route({
    upgrade: () => {
      const ledger: Ledger = { id: ledgers.length, received: 0, accepted: 0, lastNews: 0 };
      ledgers.push(ledger);
      return { data: ledger };
    },
    open: (connection) => {
      connection.send(`i${connection.data.id}`);
      connection.subscribe("news");
      connection.subscribe(`to ${connection.data.id}`);
      // Messages that are sent and published right before the Close, in the same turn, are accepted, too.
      const close = connection.close.bind(connection);
      connection.close = (...status) => {
        const { id } = connection.data;
        if (id % 2) reply(connection);
        if (server?.publish(`to ${id}`, `r${connection.data.accepted + 1}`).reached === 1) connection.data.accepted++;
        if (id % 3) reply(connection);
        close(...status);
      };
    },
    message: (connection, data) => {
      connection.data.received++;
      if (Number(data) !== connection.data.received) connection.data.received = Number.NaN;
      reply(connection);
    },
  });
  server = await serve({
    host: "127.0.0.1",
    // No client is cut off for being slow, since all of them share one machine.
    limits: { maxConnections: 10_000, closeTimeout: 60_000 },
    keepalive: false,
    routes: { "/": talk },
  });
  clients = spawn(process.execPath, [...typescriptProgram(script), String(server.port), String(mostClients), "500"], {
    stdio: ["inherit", "inherit", "inherit", "ipc"],
  });
  expect((await once(clients, "message"))[0]).toBe("open");

  const { connections } = server;
  const publisher = setInterval(() => {
    published++;
    const open = [...connections].filter(({ readyState }) => readyState === 1);
    expect(server?.publish("news", `n${published}`).reached).toBeGreaterThanOrEqual(open.length);
    for (const { data } of open as ServerConnection<Ledger>[]) data.lastNews = published;
  }, 300);
  const reported = once(clients, "message") as Promise<[ClientsReport]>;
  await until(() => published > 1 && ledgers.every(({ accepted }) => accepted > 1));
  await server.drain({ over: 3000 });
  clearInterval(publisher);
  const [report] = await reported;

  expect(server.connections.size).toBe(0);
  const clientCount = report.clients.length;
  expect(clientCount).toBeGreaterThanOrEqual(250);
  expect(published).toBeGreaterThan(5);
  const wrong = report.clients.filter((client) => {
    const ledger = ledgers[client.id];
    return !(
      client.gaps === 0 &&
      client.closeCode === 1012 &&
      ledger?.received === client.sent &&
      ledger.accepted === client.lastReply &&
      client.firstNews === 1 &&
      client.lastNews === ledger.lastNews &&
      client.sent > 0
    );
  });
  expect(wrong.map((client) => ({ ...client, ledger: ledgers[client.id] })).slice(0, 3)).toEqual([]);
  expect(new Set(report.clients.map(({ id }) => id)).size).toBe(clientCount);
  expect(server.metrics().closed).toEqual({ 1012: clientCount });
  // The clients left one after another, so the last ones went on talking for a while.
  const talked = report.clients.map(({ sent }) => sent);
  expect(Math.max(...talked)).toBeGreaterThan(Math.min(...talked));
});
