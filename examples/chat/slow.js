// @ts-check
/** Two clients: one says very much and hears all of it, the other does not read meanwhile and is let go. */
import { connect } from "openline";

const url = process.argv[2] ?? `ws://localhost:${process.env.PORT ?? 9998}/chat/noise`;
// Nothing asks for its messages yet, so it stops reading when 64 KiB have come.
const slow = await connect(url).catch((error) => {
  console.error(`${error.message}\nStart the server first: npm start`);
  process.exit(1);
});
const talker = await connect(url);

const line = "All work and no play makes Jack a dull boy. ".repeat(11);
const lines = 60_000; // 29 MB, more than the sockets of one connection hold.
const ahead = 64; // Who says much more than it hears does not read fast enough either, and would be let go as well.
let said = 0;
const say = () => said++ < lines && talker.send(line);
while (said < ahead) say();
let heard = 0;
for await (const data of talker) {
  if (data !== line) continue;
  if (++heard === lines) break;
  say();
}
talker.close();
console.log(`The talker said ${lines} lines and heard ${heard}.`);

let read = 0;
for await (const _ of slow) read++;
const { code, reason } = await slow.closed;
console.log(`The slow client got ${read} of them, and then ${code} ${reason}`.trimEnd());
