/** A log with replicas, of which the one that answers for many messages, or has just become the leader, lacks the newest. */
import { setTimeout as sleep } from "node:timers/promises";
import { errors, headers, type Msg } from "@nats-io/transport-node";
import { beforeEach, describe, expect, test } from "vitest";
import { ClusterError } from "../../../src/cluster/broker/cluster-error.ts";
import { continuityOf } from "../../../src/cluster/broker/entry.ts";
import { type Reading, readPage } from "../../../src/cluster/nats/log-page.ts";
import { LogStream } from "../../../src/cluster/nats/log-stream.ts";
import { clusterErrorOf, type NatsLink } from "../../../src/cluster/nats/nats-link.ts";
import { Subjects } from "../../../src/cluster/nats/subjects.ts";

interface Kept {
  readonly seq: number;
  readonly subject: string;
  readonly id: string;
  readonly data: string;
}

interface Question {
  readonly seq?: number;
  readonly batch?: number;
  readonly next_by_subj?: string;
  readonly last_by_subj?: string;
  readonly multi_last?: readonly string[];
}

const history = { size: 20, maxAge: 60_000 };
const names = new Subjects("p").stream(history);
const created = new Date().toISOString();

/** What all servers have acknowledged. */
let log: Kept[];
/** How many of these the replica has that answers directly. */
let replicaHas: number;
/** How many the leader knows of; all, once it has stored one itself. */
let leaderHas: number;
/** Until when nobody answers directly, as a server says at once that does not know yet of who does. */
let silentUntil: number;
/** Until when nobody answers in the place of a leader, which is not known yet. */
let leaderlessUntil: number;
/** Whether the server answers one question with many messages. */
let answersMany: boolean;

beforeEach(() => {
  log = [];
  [silentUntil, leaderlessUntil] = [0, 0];
  [replicaHas, leaderHas, answersMany] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, true];
});

const messageOf = (data: string, head = headers()) =>
  ({ headers: head, data: Buffer.from(data), json: () => JSON.parse(data) }) as unknown as Msg;
const json = (answer: object) => messageOf(JSON.stringify(answer));

function put(subject: string, data: string, id = data): Kept {
  const kept = { seq: log.length + 1, subject, id, data };
  log.push(kept);
  return kept;
}

function find(has: number, { seq = 0, next_by_subj: next, last_by_subj: last }: Question): Kept | undefined {
  const known = log.slice(0, has);
  if (last !== undefined) return known.findLast(({ subject }) => subject === last);
  return known.find((one) => (next === undefined ? one.seq === seq : one.seq >= seq && one.subject === next));
}

function direct(kept: Kept | undefined): Msg {
  if (kept === undefined) return messageOf("", headers(404, "Message Not Found"));
  const head = headers();
  const fields = [
    ["Nats-Sequence", `${kept.seq}`],
    ["Nats-Subject", kept.subject],
    ["Nats-Time-Stamp", created],
    ["Nats-Msg-Id", kept.id],
    ...(answersMany ? [["Nats-Num-Pending", "1"]] : []),
  ];
  for (const [name, value] of fields) head.set(name!, value!);
  return messageOf(kept.data, head);
}

function ofLeader(question: Question): Msg {
  const kept = find(leaderHas, question);
  if (kept === undefined) return json({ error: { code: 404, err_code: 10_037, description: "no message found" } });
  const hdrs = Buffer.from(`NATS/1.0\r\nNats-Msg-Id: ${kept.id}\r\n\r\n`).toString("base64");
  const data = Buffer.from(kept.data).toString("base64");
  return json({ message: { seq: kept.seq, subject: kept.subject, time: created, hdrs, data } });
}

function request(subject: string, payload: string): Msg {
  if (subject.includes("STREAM.INFO")) {
    const config = { allow_direct: true, num_replicas: 3, republish: { dest: names.republished } };
    return json({ created, config, state: { first_seq: 1, last_seq: log.length }, ts: new Date().toISOString() });
  }
  if (subject.includes("STREAM.MSG.GET")) return ofLeader(JSON.parse(payload));
  if (subject.includes("DIRECT.GET") && performance.now() < silentUntil) {
    throw new ClusterError("unavailable", "NATS: no responders");
  }
  if (subject.includes("DIRECT.GET")) return direct(find(replicaHas, JSON.parse(payload)));
  leaderHas = Number.POSITIVE_INFINITY;
  return json({ seq: put(subject, payload, "").seq });
}

function requestMany(question: Question): Msg[] {
  if (!answersMany) return [direct(find(replicaHas, question))];
  const known = log.slice(0, replicaHas);
  const { multi_last: subjects, seq = 0, next_by_subj: next, batch } = question;
  const found = subjects
    ? subjects.flatMap((subject) => known.findLast((one) => one.subject === subject) ?? [])
    : known.filter((one) => one.subject === next && one.seq >= seq).slice(0, batch);
  if (found.length === 0) return [messageOf("", headers(404, "No Results"))];
  const end = headers(204, "EOB");
  end.set("Nats-UpTo-Sequence", `${known.length}`);
  return [...found.map(direct), messageOf("", end)];
}

/** A stream, the topic `t` in it, and how it is read. */
async function opened() {
  const link = {
    serverStart: "cluster",
    request: async (subject: string, payload: string, { timeout = 5000 }: { timeout?: number } = {}) => {
      if (subject.startsWith("$JS.API.STREAM.") && performance.now() < leaderlessUntil) {
        await sleep(timeout);
        throw clusterErrorOf(new errors.TimeoutError());
      }
      return request(subject, payload);
    },
    requestMany: async (_subject: string, payload: string) => requestMany(JSON.parse(payload)),
  } as unknown as NatsLink;
  const stream = await LogStream.open(link, names, 3);
  const publish = (text: string) => {
    const { seq, id } = put(names.messages("t"), text);
    return { epoch: stream.nonce, offset: stream.offsets.of(seq, id) };
  };
  const read = (reading: Pick<Reading, "since" | "limit">) =>
    readPage(stream, { token: "t", history, oldEnd: () => undefined, ...reading });
  return { stream, publish, read };
}

describe.each([
  { title: "from 2.11 on", many: true },
  { title: "before 2.11", many: false },
])("servers $title", ({ many }) => {
  test("what the replica lacks is read of the leader", async () => {
    answersMany = many;
    const { publish, read } = await opened();
    const since = publish("1");
    replicaHas = log.length;
    publish("2");
    const end = publish("3");
    for (const from of [since, undefined, { ...since, offset: 0 }]) {
      const page = await read({ since: from, limit: 10 });
      expect(page.last).toBe(end.offset);
      expect(page.entries.slice(-2).map(({ id }) => id)).toEqual(["2", "3"]);
    }
    expect((await read({ since: end, limit: 10 })).last).toBe(end.offset);
  });

  test("the ends of logs are those of the leader", async () => {
    answersMany = many;
    const { stream, publish } = await opened();
    publish("1");
    const ends = async () => (await stream.ends(["t"]))?.map(({ id }) => id);
    expect(await ends()).toEqual(many ? ["1"] : undefined);
    replicaHas = log.length;
    publish("2");
    expect(await ends()).toBe(undefined);
  });

  test("a leader that may not know yet what another one acknowledged is asked behind a message of its own", async () => {
    answersMany = many;
    const { publish, read } = await opened();
    publish("1");
    [replicaHas, leaderHas] = [log.length, log.length];
    const newest = publish("2");
    const page = await read({ since: newest, limit: 10 });
    expect([continuityOf(page, newest), page.last]).toEqual(["complete", newest.offset]);
  });

  test("control: what the log has lost for good is a fork", async () => {
    answersMany = many;
    const { publish, read } = await opened();
    publish("1");
    const lost = publish("2");
    log.pop();
    expect(continuityOf(await read({ since: lost, limit: 10 }), lost)).toBe("fork");
  });
});

test("a stream of which this server does not know yet who answers directly is asked again", async () => {
  silentUntil = performance.now() + 200;
  const { publish, read } = await opened();
  const end = publish("1");
  expect((await read({ since: undefined, limit: 0 })).last).toBe(end.offset);
});

test("a stream whose leader is not known yet is asked again soon", async () => {
  leaderlessUntil = performance.now() + 200;
  const { publish, read } = await opened();
  const end = publish("1");
  expect((await read({ since: undefined, limit: 0 })).last).toBe(end.offset);
});
