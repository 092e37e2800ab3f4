// @ts-check
/** Traffic to look at: echoes, news, connections that come and go, and some that are refused. */
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "openline";

const url = `ws://localhost:${process.env.PORT ?? 9998}`;
let stopping = false;
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    stopping = true;
  });
}

/** Sends for some seconds, and comes again. @param {string} path */
async function comeAndGo(path) {
  while (!stopping) {
    const connection = await connect(url + path, { message: () => {} });
    for (let left = 20 + Math.random() * 100; left > 0 && !stopping && connection.readyState === 1; left--) {
      connection.send("x".repeat(Math.random() * 2000));
      await delay(50 + Math.random() * 100);
    }
    connection.close(Math.random() < 0.8 ? 1000 : 4000);
    const { initiator, code } = await connection.closed;
    if (initiator !== "local") throw new Error(`The server has left, with ${code}`);
  }
}

async function ask() {
  while (!stopping) {
    await connect(`${url}/nowhere`).catch(() => {});
    await delay(300);
  }
}

console.log("Ctrl-C ends the client.");
const paths = ["/echo", "/echo", "/echo", "/echo", "/news", "/news", "/news", "/news"];
await Promise.all([ask(), ...paths.map(comeAndGo)]).catch((error) => {
  console.error(`${error.message}\nStart the server first: npm start`);
  process.exit(1);
});
