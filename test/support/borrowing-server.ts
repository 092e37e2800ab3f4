/** A server in a process of its own whose route `/give` borrows messages and gives their memory away; it tells how many. */
import { MessageChannel } from "node:worker_threads";
import { serve } from "../../src/index.ts";
import { maskReadBuffer } from "../../src/protocol/frames/mask-wasm.ts";

const { port1 } = new MessageChannel();
const server = await serve({
  host: "127.0.0.1",
  routes: {
    "/": { message: (connection, data) => void connection.send(data) },
    "/give": {
      borrow: true,
      message: (connection, data) => {
        if (typeof data === "string") return void connection.send(data);
        const given = data.length;
        port1.postMessage(undefined, [data.buffer as ArrayBuffer]);
        process.send!({ kernel: maskReadBuffer !== undefined, given });
      },
    },
  },
});
process.send!(server.port);
