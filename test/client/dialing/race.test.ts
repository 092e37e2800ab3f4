/** Addresses of one host that race for the connection: slow ones, dead ones, and the sockets of the losers. */
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { PendingHandshake } from "../../../src/client/dialing/pending-handshake.ts";
import { dialTcp } from "../../../src/client/dialing/race.ts";
import { until } from "../../support/connection-pair.ts";
import { fullListener } from "../../support/full-listener.ts";
import { leavesNothing } from "../../support/leaves-nothing.ts";
import { handshakeErrorOf } from "../../support/outcomes.ts";

const opened: { close(): unknown }[] = [];

leavesNothing();
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});

const v4 = (last: number) => ({ address: `127.0.0.${last}`, family: 4 });
const v6 = { address: "::1", family: 6 };

async function full(host: string, port?: number) {
  const listener = await fullListener(host, port);
  opened.push(listener);
  return listener;
}

/** A listener that keeps the sockets that it accepts. */
async function listening(host: string, port: number): Promise<{ server: Server; accepted: Socket[] }> {
  const accepted: Socket[] = [];
  const server = createServer((socket) => void accepted.push(socket.on("error", () => {}))).listen(port, host);
  await once(server, "listening");
  opened.push({
    close: () => {
      for (const socket of accepted) socket.destroy();
      server.close();
    },
  });
  return { server, accepted };
}

// Other systems have one loopback address, and drop nothing when a queue is full.
describe.runIf(process.platform === "linux")("addresses of one host", () => {
  it("are tried until a slow one connects, also when the others fail", async () => {
    const slow = await full("127.0.0.2");
    for (const addresses of [[v4(2), v4(3), v4(4)], [v4(3), v4(2)], [v4(2)]]) {
      const handshake = new PendingHandshake([], 10_000);
      const dialled = dialTcp(handshake, slow.port, addresses);
      // The first segment has been dropped by now, so the connection takes a second.
      if (addresses.length === 3) slow.accept();
      const socket = await dialled;
      expect(socket.remoteAddress).toBe("127.0.0.2");
      handshake.release();
      socket.destroy();
    }
  });

  it("are tried beside a slow one, whose socket is destroyed in the end", async () => {
    const slow = await full("127.0.0.2");
    const { accepted } = await listening("127.0.0.3", slow.port);
    const handshake = new PendingHandshake([], 10_000);
    const owned: Socket[] = [];
    const own = handshake.own.bind(handshake);
    handshake.own = (stream) => {
      owned.push(stream as Socket);
      own(stream);
    };
    const socket = await dialTcp(handshake, slow.port, [v4(2), v4(3)]);
    expect(socket.remoteAddress).toBe("127.0.0.3");
    expect(owned.map(({ destroyed }) => destroyed)).toEqual([true, false]);
    await until(() => accepted.length === 1);
    handshake.release();
    socket.destroy();
  });

  it("are tried at once after a failure, with families alternating, and all errors are told", async () => {
    const { server } = await listening("127.0.0.1", 0);
    const { port } = server.address() as { port: number };
    server.close();
    const handshake = new PendingHandshake([], 10_000);
    const error = await handshakeErrorOf(dialTcp(handshake, port, [v4(2), v4(3), v6]));
    handshake.release();
    expect(error.rule).toBe("connection-failed");
    const cause = error.cause as AggregateError & { code: string };
    expect(cause).toBeInstanceOf(AggregateError);
    expect(cause.errors.map(({ address }) => address)).toEqual(["127.0.0.2", "::1", "127.0.0.3"]);
    expect(cause.code).toBe("ECONNREFUSED");
    expect(error.message).toMatch(/127\.0\.0\.2:\d+.*::1.*127\.0\.0\.3:\d+/);
    const single = await handshakeErrorOf(dialTcp(new PendingHandshake([], 10_000), port, [v4(2)]));
    expect(single.cause).toMatchObject({ code: "ECONNREFUSED", address: "127.0.0.2" });
  });

  it("are all given up with the handshake, by time or by signal", async () => {
    const slow = await full("127.0.0.2");
    await full("127.0.0.3", slow.port);
    const addresses = [v4(2), v4(3), v4(4), v6];
    const timed = new PendingHandshake([], 400);
    timed.startTimer();
    const late = await handshakeErrorOf(dialTcp(timed, slow.port, addresses));
    expect(late.message).toMatch(/it had 400 ms, up to the connection$/);
    const abort = new AbortController();
    const pending = dialTcp(new PendingHandshake([abort.signal], 10_000), slow.port, addresses);
    abort.abort("enough");
    await expect(pending).rejects.toBe("enough");
  });
});
