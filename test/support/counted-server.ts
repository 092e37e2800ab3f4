/**
 * A server in a process of its own that tells what its connections cost, in numbers that no machine's speed changes.
 *
 * It sends its port, and answers every message of its parent: `heap` with the bytes of heap in use and the connections,
 * `publish` with the writes to the system that three messages published in one turn to all have made, `written` with the
 * writes since it was asked last. It runs with `--expose-gc`.
 */
import { createServer, Socket } from "node:net";
import { serve } from "../../src/index.ts";

const writes = await countWrites();

const server = await serve({
  host: "127.0.0.1",
  routes: {
    "/": {
      open: (connection) => connection.subscribe("all"),
      message: (connection, data) => void connection.send(data),
    },
    "/wasteful": { message: (connection, data) => void connection.send(Uint8Array.from([...(data as Uint8Array)])) },
    "/idle": {},
    "/asked": { upgrade: ({ request }) => ({ data: request.headers.cookie }) },
  },
});

let collections = 0;
new PerformanceObserver((list) => {
  collections += list.getEntries().length;
}).observe({ entryTypes: ["gc"] });

process.on("message", async (asked: "heap" | "publish" | "written" | "allocated") => {
  const before = asked === "written" ? 0 : writes.count;
  if (asked === "publish") {
    for (const text of ["one", "two", "three"]) server.publish("all", text);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  if (asked === "heap") for (let round = 0; round < 3; round++) await collected();
  // The observer is told of collections later.
  if (asked === "allocated") await new Promise((resolve) => setTimeout(resolve, 20));
  const { heapUsed, external } = process.memoryUsage();
  process.send!({
    heap: heapUsed,
    allocated: heapUsed + external,
    collections,
    connections: server.connections.size,
    writes: writes.count - before,
  });
  if (asked === "written") writes.count = 0;
});
process.send!({ port: server.port });

async function collected(): Promise<void> {
  (globalThis as unknown as { gc(): void }).gc();
  await new Promise((resolve) => setTimeout(resolve, 20));
}

/** Counts what sockets ask the system to write, by whatever way: they have their handle's class in common. */
async function countWrites(): Promise<{ count: number }> {
  const writes = { count: 0 };
  const listener = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => listener.once("listening", resolve));
  const socket = new Socket().connect((listener.address() as { port: number }).port, "127.0.0.1");
  const { _handle: handle } = socket as unknown as { _handle: object };
  const methods: Record<string, (...given: unknown[]) => unknown> = Object.getPrototypeOf(
    Object.getPrototypeOf(handle),
  );
  for (const name of ["writeBuffer", "writev", "writeLatin1String", "writeUtf8String"]) {
    const method = methods[name]!;
    methods[name] = function (this: object, ...given) {
      writes.count++;
      return method.apply(this, given);
    };
  }
  socket.destroy();
  listener.close();
  return writes;
}
