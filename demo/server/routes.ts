/**
 * The demo's WebSocket routes: each reads what its page sends, and hands it to the part that knows the rules. What is not
 * JSON of the expected kind ends the connection with 1008.
 */
import { route } from "openline";
import type { Chat } from "./chat/chat.ts";
import type { Shifts } from "./drain/shifts.ts";
import type { ChatRequest, CompareQuestion, DrainRequest, ReadersRequest } from "./messages.ts";
import { QUEUE_LIMIT } from "./messages.ts";
import type { Comparison } from "./polling/comparison.ts";
import type { PushFeed } from "./push.ts";
import type { Trials } from "./slow/trials.ts";
import type { Traffic } from "./traffic.ts";

/** Longest JSON a page of ours has reason to send, in UTF-16 code units. */
const REQUEST_LIMIT = 4096;

/** `/echo`: what comes goes back, to any origin, so that the article's example works from anywhere. */
export function echoRoute() {
  return route({
    origin: "any",
    message: (connection, data) => {
      connection.send(data);
    },
  });
}

/** `/push`: nothing is asked, everything is told. */
export function pushRoute(feed: PushFeed) {
  return route({
    open: (connection) => {
      feed.add(connection);
    },
    message: () => {},
  });
}

/** `/compare`: one question, one answer. */
export function controlRoute(traffic: Traffic, comparison: Comparison) {
  return route({
    message: (connection, data) => {
      const question = read<CompareQuestion>(data);
      if (question === undefined) connection.close(1008, "Not a question");
      else traffic.send(connection, comparison.answer(connection, question));
    },
    close: (connection) => {
      comparison.leave(connection);
    },
  });
}

/** `/compare/:run/socket`: the WebSocket among the three modes; its socket is kept for its byte counters. */
export function followRoute(comparison: Comparison) {
  return route({
    upgrade: ({ request, params }) => {
      const run = comparison.run(params.run ?? "");
      if (run === undefined) return new Response("No such run\n", { status: 404 });
      return { data: { run, socket: request.socket } };
    },
    open: (connection) => {
      connection.data.run.open(connection, connection.data.socket);
    },
    close: (connection) => {
      connection.data.run.close(connection);
    },
  });
}

/** `/chat/:room`: look, join, then talk. */
export function chatRoute(chat: Chat) {
  return route({
    upgrade: ({ params }) => ({ data: { room: params.room ?? "" } }),
    open: (connection) => {
      chat.open(connection.data.room, connection);
    },
    message: (connection, data) => {
      const request = read<ChatRequest>(data);
      if (request === undefined) connection.close(1008, "Not a chat message");
      else chat.receive(connection.data.room, connection, request);
    },
    close: (connection) => {
      chat.close(connection.data.room, connection);
    },
  });
}

/** `/readers`: starts trials, and tells how they go. */
export function trialsRoute(traffic: Traffic, trials: Trials) {
  return route({
    message: (connection, data) => {
      const request = read<ReadersRequest>(data);
      if (request?.do !== "start") connection.close(1008, "Not a request");
      else trials.start(connection, request, (message) => traffic.send(connection, message));
    },
    close: (connection) => {
      trials.leave(connection);
    },
  });
}

/** `/readers/:trial/:reader`: what a reader has not taken waits for it; with too much waiting it is let go, with 1013. */
export function readerRoute(trials: Trials) {
  return route({
    limits: { maxOutboxSize: QUEUE_LIMIT },
    upgrade: ({ params }) => {
      const trial = trials.find(params.trial ?? "");
      const reader = params.reader ?? "";
      if (!trial?.expects(reader)) return new Response("No such reader\n", { status: 404 });
      return { data: { trial, reader } };
    },
    open: (connection) => {
      connection.data.trial.open(connection.data.reader, connection);
    },
    close: (connection, report) => {
      connection.data.trial.close(connection.data.reader, report);
    },
  });
}

/** `/drain`: a server for the page, and the word to drain it. */
export function drainRoute(traffic: Traffic, shifts: Shifts) {
  return route({
    open: (connection) => {
      const opened = shifts.open(connection, (message) => traffic.send(connection, message));
      if (!opened) connection.close(1013, "Too many pages have a server to drain");
    },
    message: async (connection, data) => {
      if (read<DrainRequest>(data)?.do !== "drain") connection.close(1008, "Not a request");
      else await shifts.drain(connection);
    },
    close: (connection) => shifts.leave(connection),
  });
}

/** The JSON object in `data`; its `do` and fields are judged by those who act on it. */
function read<Message extends { readonly do: string }>(data: string | Uint8Array): Message | undefined {
  if (typeof data !== "string" || data.length > REQUEST_LIMIT) return undefined;
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === "object" && value !== null && "do" in value ? (value as Message) : undefined;
  } catch {
    return undefined;
  }
}
