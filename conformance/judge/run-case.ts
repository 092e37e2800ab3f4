/**
 * Runs one case on one connection: opens it, takes the steps, and settles it the way its expectation asks for.
 */
import type { Case, Outcome, Step } from "../case.ts";
import { Op } from "../wire/frame.ts";
import { openAsClient, openAsServer } from "./handshake.ts";
import type { Session } from "./session.ts";

/** Runs `test`; `url` is the server under test, and absent when a client is. */
export async function runCase(test: Case, session: Session, url: URL | undefined): Promise<void> {
  const open =
    url === undefined
      ? await openToClient(test, session)
      : await openAsClient(session, url, test.request ?? {}, test.deflate);
  if (session.seen.skipped !== undefined) return;
  const wanted = test.expect[0]!;
  if (wanted.kind === "refuses") {
    await settleRefusal(session);
    const otherwise = test.expect.find(({ kind }) => kind === "echoes");
    if (session.seen.markers === 0 || otherwise === undefined) return;
    await take(test, session);
    return settle(otherwise, session);
  }
  if (!open) return wanted.kind === "seen" ? session.idle(LATE) : undefined;
  await take(test, session);
  if (session.seen.skipped !== undefined) return;
  await settle(wanted, session);
}

async function openToClient(test: Case, session: Session): Promise<boolean> {
  const request = await session.readHead();
  if (request === undefined) return false;
  const options = typeof test.response === "function" ? test.response(request) : (test.response ?? {});
  if (options === undefined) {
    session.seen.skipped = "The client's request leaves no room for this case";
    return false;
  }
  return openAsServer(session, options, test.deflate);
}

async function take(test: Case, session: Session): Promise<void> {
  const steps = typeof test.steps === "function" ? test.steps() : (test.steps ?? []);
  for (const step of steps) {
    if (session.seen.skipped !== undefined) return;
    if (session.seen.over && typeof step !== "function") continue;
    if (queueStep(step, session)) continue;
    await session.flush(test.chop);
    if (step === "sync") await session.sync();
    else if (typeof step === "function") await step(session);
    else if (typeof step === "object" && "idle" in step) await session.idle(step.idle);
    else if (typeof step === "object" && "messages" in step) await untilMessages(session, step.messages);
  }
  await session.flush(test.chop);
}

function queueStep(step: Step, session: Session): boolean {
  if (typeof step !== "object") return false;
  if ("raw" in step) session.queueBytes(step.raw);
  else if ("opcode" in step) session.queue(step);
  else return false;
  return true;
}

function untilMessages(session: Session, count: number): Promise<boolean> {
  const { seen } = session;
  return session.until(() => seen.messages.length >= count || seen.close !== undefined, `${count} echoed messages`);
}

async function settle(wanted: Outcome, session: Session): Promise<void> {
  const { seen } = session;
  if (wanted.kind === "echoes") {
    await untilMessages(session, wanted.messages.length);
    const pongs = wanted.pongs?.length ?? 0;
    await session.until(() => seen.pongs.length >= pongs || seen.close !== undefined, `${pongs} pongs`);
    await closeNormally(session);
  } else if (wanted.kind === "fails" || wanted.kind === "status") {
    await closeNormally(session, true);
  } else if (wanted.kind === "closes") {
    await session.until(() => seen.close !== undefined, "the peer's Close");
    if (seen.role === "client") session.finish();
    await session.until(() => seen.end !== undefined, "the end of TCP");
  }
}

/** Milliseconds for a peer that answers a ping before it has looked at the data of an earlier message. */
const LATE = 200;

/** A marker ping to see that the peer still answers, then the closing handshake. */
async function closeNormally(session: Session, mayFailLate = false): Promise<void> {
  if (session.seen.over || session.seen.missed !== undefined || !(await session.sync())) return;
  if (mayFailLate) await session.idle(LATE);
  if (session.seen.over) return;
  await session.send({ opcode: Op.Close, payload: Buffer.from([0x03, 0xe8]) });
  await session.until(() => session.seen.close !== undefined, "the answer to our Close");
}

/** Milliseconds a client may take to leave a server whose response was wrong, and again after that server's FIN. */
const PATIENCE = 800;

/** A client that was refused must go away; a marker ping tells at once when it did not see the refusal. */
async function settleRefusal(session: Session): Promise<void> {
  if (session.seen.end !== undefined) return;
  session.queue({ opcode: Op.Ping, payload: "marker 0" });
  await session.flush();
  await session.until(() => session.seen.order.length > 0, "the client's leaving", PATIENCE);
  if (session.seen.order.length > 0) return;
  session.seen.missed = undefined;
  session.finish();
  await session.until(() => session.seen.order.length > 0, "the client's leaving", PATIENCE);
}
