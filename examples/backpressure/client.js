// @ts-check
/** Three readers of one feed: two that take 200 ms over each value, and a fast one beside them that does not notice. */
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "openline";

const url = `ws://localhost:${process.env.PORT ?? 9998}`;
const slowly = Number(process.argv[2]) || 200;
const readers = [
  { name: "fast, all", path: "/all", pause: 0, values: 0, missed: 0, age: 0, end: "" },
  { name: "slow, all", path: "/all", pause: slowly, values: 0, missed: 0, age: 0, end: "" },
  { name: "slow, latest", path: "/latest", pause: slowly, values: 0, missed: 0, age: 0, end: "" },
];

/** @param {typeof readers[0]} reader */
async function read(reader) {
  // It takes a value from the network when it is asked for one, and none ahead.
  const connection = await connect(url + reader.path, { limits: { inboundHighWaterMark: 1 } });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => connection.close());
  let expected;
  for await (const data of connection) {
    const { number, at } = JSON.parse(String(data));
    reader.values++;
    reader.missed += number - (expected ?? number);
    reader.age = Date.now() - at;
    expected = number + 1;
    await delay(reader.pause);
  }
  const { code, reason } = await connection.closed;
  reader.end = `ended with ${code} ${reason}`;
}

function print() {
  console.log("\nreader        values  missed  age of the last");
  for (const { name, values, missed, age, end } of readers) {
    console.log(name.padEnd(12), `${values}`.padStart(7), `${missed}`.padStart(7), `${age} ms`.padStart(16), "", end);
  }
}

const timer = setInterval(print, 1000);
await Promise.all(readers.map(read)).catch((error) => {
  console.error(`${error.message}\nStart the server first: npm start`);
  process.exit(1);
});
clearInterval(timer);
print();
