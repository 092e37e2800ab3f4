/**
 * The echo client that Autobahn|Testsuite's fuzzing server tests: it asks how many cases there are, runs each of them
 * over a connection of its own, and has the report written. Default limits, compression offered.
 *
 * `client.ts URL [AGENT]`; the protocol of the control connections is the tool's own (getCaseCount, runCase, updateReports).
 */
import { connect } from "openline";

const [, , server, agent = "openline"] = process.argv;
if (server === undefined) throw new Error("Cannot run the cases: the first argument is not the fuzzing server's URL");

const cases = Number(await ask("/getCaseCount"));
if (!Number.isInteger(cases) || cases < 1) throw new Error(`Cannot run the cases: their number came as ${cases}`);
for (let number = 1; number <= cases; number++) await runCase(number);
await ask(`/updateReports?agent=${encodeURIComponent(agent)}`);
console.log(`${cases} cases run as ${agent}`);

/** The last message of a control connection; undefined when there was none. */
async function ask(path: string): Promise<string | Uint8Array | undefined> {
  const connection = await connect(new URL(path, server));
  let answer: string | Uint8Array | undefined;
  for await (const data of connection) answer = data;
  await connection.closed;
  return answer;
}

/**
 * Echoes until the case is over; how it ends is the server's to judge, which saw every byte. By a handler and not by
 * `for await`, because a handler has answered a message before the frame behind it is looked at, which may be wrong.
 */
async function runCase(number: number): Promise<void> {
  const url = new URL(`/runCase?case=${number}&agent=${encodeURIComponent(agent)}`, server);
  const connection = await connect(url, {
    compression: true,
    message: (self, data) => {
      self.send(data);
    },
  });
  await connection.closed;
}
