/** That what a test leaves behind is seen, be it one timer, and that the runner's own timer is not taken for it. */
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { leftovers, noteResources, type Resources } from "./resources.ts";
import { startChild } from "./serving.ts";

let before: Resources = {};

beforeAll(async () => {
  before = await noteResources();
});

describe("leftovers", () => {
  test("are none where all was put away, and where it is soon", async () => {
    setTimeout(() => {}, 300);
    expect(await leftovers(before)).toEqual({});
  });

  test("are compared with the same, whether noted in beforeAll or in the test", async () => {
    expect(await noteResources()).toEqual(before);
  });

  test("control: one timer and the two ends of a socket, noted in beforeAll", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const socket = connect(port, "127.0.0.1");
    const [accepted] = await once(server, "connection");
    const timer = setTimeout(() => {}, 60_000);
    expect(await leftovers(before)).toEqual({ Timeout: 1, TCPSocketWrap: 2 });
    clearTimeout(timer);
    socket.destroy();
    accepted.destroy();
    server.close();
    expect(await leftovers(before)).toEqual({});
  });
});

test("leavesNothing passes tests that leave nothing; control: those that leave a timer, a complaint, an error", async () => {
  const file = fileURLToPath(new URL("leaking-tests.ts", import.meta.url));
  const said = await startChild("leaking.ts", [file]).told();
  expect(said).toEqual({
    nothing: "",
    timer: expect.stringContaining('"Timeout": 1'),
    stderr: expect.stringContaining("A complaint"),
    uncaught: expect.stringContaining("Nobody listens"),
  });
});
