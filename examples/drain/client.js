// @ts-check
/** Connections that send without a pause. What is not acknowledged when one ends goes out again on the next. */
import { setTimeout as delay } from "node:timers/promises";
import { CloseCode, connect } from "openline";

const url = `ws://localhost:${process.env.PORT ?? 9998}/`;
const total = { sent: 0, acknowledged: 0, again: 0, moves: 0 };
let stopping = false;

/** @param {number} name */
async function run(name) {
  /** @type {Set<string>} */
  const waiting = new Set();
  while (!stopping || waiting.size > 0) {
    // While the server is restarted it may refuse one, with 503.
    const connection = await connect(url, { serialize: false }).catch(() => delay(200));
    if (!connection && stopping) return;
    if (!connection) continue;
    for (const id of waiting) connection.send(id);
    total.again += waiting.size;
    const timer = setInterval(() => {
      if (stopping && waiting.size === 0) connection.close();
      if (stopping) return;
      const id = `${name}-${total.sent++}`;
      waiting.add(id);
      connection.send(id);
    }, 20);
    for await (const id of connection) if (waiting.delete(String(id))) total.acknowledged++;
    clearInterval(timer);
    if ((await connection.closed).code === CloseCode.ServiceRestart) total.moves++;
  }
}

const trial = await connect(url).catch((error) => {
  console.error(`${error.message}\nStart the server first: npm start`);
  process.exit(1);
});
trial.close();

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    stopping = true;
  });
}
console.log("Ctrl-C waits for what is not acknowledged, and ends the client.");
const print = () => {
  const { sent, acknowledged, again, moves } = total;
  console.log(`${sent} sent, ${acknowledged} acknowledged; ${moves} times told to leave, ${again} sent again`);
};
const printer = setInterval(print, 1000);
await Promise.all(Array.from({ length: 50 }, (_, name) => run(name)));
clearInterval(printer);
print();
const lost = total.sent - total.acknowledged;
console.log(lost === 0 ? "Nothing was lost" : `${lost} are not acknowledged, and there is no server to send them to`);
process.exitCode = lost === 0 ? 0 : 1;
