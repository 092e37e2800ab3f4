// @ts-check
/** Opens many connections, has messages published to all of them, and counts what arrives. */
import { connect } from "openline";

const [wanted = 10_000, count = 100] = process.argv.slice(2).map(Number);
if (![wanted, count].every((number) => Number.isInteger(number) && number >= 1 && number <= 10_000)) {
  console.error("Cannot count: say how many connections and messages, up to 10000 each: npm run client -- 1000 500");
  process.exit(1);
}
const url = `ws://localhost:${process.env.PORT ?? 9998}/`;

/** @type {import("openline").Connection[]} */
const connections = [];
let deliveries = 0;
/** @type {() => void} */
let arrived = () => {};
const message = () => {
  if (++deliveries === wanted * count) arrived();
};

let begun = 0;
const openSome = async () => {
  // The standard wants one handshake at a time for each server; a server of one's own may take more.
  while (begun++ < wanted) connections.push(await connect(url, { serialize: false, message }));
};
let startedAt = performance.now();
await Promise.all(Array.from({ length: 100 }, openSome)).catch((error) => {
  const there = `${connections.length} of ${wanted} are open. Raise the limit on open files for both programs (ulimit -n 20000)`;
  console.error(error.message);
  console.error(
    connections.length === 0 ? "Start the server first: npm start" : `${there}, or open fewer: npm run client -- 1000`,
  );
  process.exit(1);
});
console.log(`${connections.length} connections in ${since(startedAt)}`);

startedAt = performance.now();
/** @type {Promise<void>} */
const all = new Promise((resolve) => {
  arrived = resolve;
});
connections[0]?.send(String(count));
const ended = await Promise.race([all, ...connections.map((connection) => connection.closed)]);
if (ended) {
  const { code, reason } = ended;
  console.error(`After ${deliveries} of ${wanted * count} deliveries a connection ended: ${code} ${reason}`);
  process.exit(1);
}
console.log(`${deliveries} deliveries in ${since(startedAt)}`);

for (const connection of connections) connection.close();
await Promise.all(connections.map((connection) => connection.closed));

/** @param {number} start */
function since(start) {
  return `${((performance.now() - start) / 1000).toFixed(2)} s`;
}
