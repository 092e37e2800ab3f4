// @ts-check
/** The near end of the tunnel: each TCP connection to a local port becomes a WebSocket connection. */
import { createServer } from "node:net";
import { pipeline } from "node:stream";
import { connect } from "openline";

const url = process.env.TUNNEL ?? `ws://localhost:${process.env.PORT ?? 9998}/tunnel`;
const localPort = Number(process.argv[2] ?? 9997);
if (!(localPort >= 0 && localPort <= 65_535)) {
  console.error(`Cannot listen on "${process.argv[2]}": it is no port. Name one: npm run client -- 9997`);
  process.exit(1);
}

const trial = await connect(url).catch((error) => {
  console.error(
    `${error.message}\nStart the server first, npm start, or name another: TUNNEL=wss://HOST/tunnel npm run client`,
  );
  process.exit(1);
});
trial.close();

/** @type {Set<import("node:net").Socket>} */
const sockets = new Set();
const listener = createServer(async (socket) => {
  sockets.add(socket);
  socket.on("close", () => sockets.delete(socket));
  socket.on("error", () => {});
  try {
    const connection = await connect(url);
    const tunnel = connection.toDuplex();
    // Where one of the two ends or fails, so does the other.
    pipeline(socket, tunnel, () => {});
    pipeline(tunnel, socket, () => {});
    const { code, reason } = await connection.closed;
    if (code !== 1000) console.log(`A tunnel has ended with ${code} ${reason}`);
  } catch (error) {
    console.error(/** @type {Error} */ (error).message);
    socket.destroy();
  }
});

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    listener.close();
    for (const socket of sockets) socket.destroy();
  });
}
listener.on("error", () => {
  process.exitCode = 1;
  console.error(`Cannot listen on port ${localPort}: it is in use. Name another: npm run client -- ${localPort + 10}`);
});
listener.listen(localPort, "127.0.0.1", () => {
  const { port } = /** @type {import("node:net").AddressInfo} */ (listener.address());
  console.log(`What connects to port ${port} is tunneled: curl http://localhost:${port}. Ctrl-C ends the tunnel.`);
});
