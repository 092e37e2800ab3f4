// @ts-check
/** Sends the time each second and prints what comes back, until Ctrl-C: then it closes, and waits for the answer. */
import { connect } from "openline";

const url = process.argv[2] ?? `ws://localhost:${process.env.PORT ?? 9998}/echo`;
const connection = await connect(url).catch((error) => {
  console.error(`${error.message}\nStart the server first, or name another: npm run client -- ws://HOST:PORT/PATH`);
  process.exit(1);
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => connection.close());
console.log(`Connected to ${url}. Ctrl-C closes the connection.`);

const sendTime = () => connection.send(new Date().toISOString());
const timer = setInterval(sendTime, 1000);
sendTime();

for await (const data of connection) console.log(data);

clearInterval(timer);
const { code, reason, wasClean } = await connection.closed;
console.log(`Closed with ${code} ${reason}`.trimEnd());
process.exitCode = wasClean ? 0 : 1;
