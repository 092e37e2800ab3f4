/**
 * The demo's WebSocket routes: each reads what its page sends, hands it to the part that knows the rules, and keeps the
 * traffic counts. What is not JSON of the expected kind ends the connection with 1008.
 */
import { route } from "openline";
import type { Chat } from "./chat.ts";
import type { Comparison } from "./comparison.ts";
import type { ChatRequest, CompareQuestion } from "./messages.ts";
import type { PushFeed } from "./push.ts";
import type { Traffic } from "./traffic.ts";

/** Longest JSON a page of ours has reason to send, in UTF-16 code units. */
const REQUEST_LIMIT = 4096;

/** `/echo`: what comes goes back, to any origin, so that the article's example works from anywhere. */
export function echoRoute(traffic: Traffic) {
  return route({
    origin: "any",
    open: () => {
      traffic.connections += 1;
    },
    message: (connection, data) => {
      traffic.received += 1;
      traffic.sent += 1;
      connection.send(data);
    },
    close: () => {
      traffic.connections -= 1;
    },
  });
}

/** `/push`: nothing is asked, everything is told. */
export function pushRoute(traffic: Traffic, feed: PushFeed) {
  return route({
    open: (connection) => {
      traffic.connections += 1;
      feed.add(connection);
    },
    message: () => {
      traffic.received += 1;
    },
    close: () => {
      traffic.connections -= 1;
    },
  });
}

/** `/compare`: one question, one answer. */
export function controlRoute(traffic: Traffic, comparison: Comparison) {
  return route({
    open: () => {
      traffic.connections += 1;
    },
    message: (connection, data) => {
      traffic.received += 1;
      const question = read<CompareQuestion>(data);
      if (question === undefined) connection.close(1008, "Not a question");
      else traffic.send(connection, comparison.answer(connection, question));
    },
    close: (connection) => {
      traffic.connections -= 1;
      comparison.leave(connection);
    },
  });
}

/** `/compare/:run/socket`: the WebSocket among the three modes; its socket is kept for its byte counters. */
export function followRoute(traffic: Traffic, comparison: Comparison) {
  return route({
    upgrade: ({ request, params }) => {
      const run = comparison.run(params.run ?? "");
      if (run === undefined) return new Response("No such run\n", { status: 404 });
      return { data: { run, socket: request.socket } };
    },
    open: (connection) => {
      traffic.connections += 1;
      connection.data.run.open(connection, connection.data.socket);
    },
    close: (connection) => {
      traffic.connections -= 1;
      connection.data.run.close(connection);
    },
  });
}

/** `/chat/:room`: join, then talk. */
export function chatRoute(traffic: Traffic, chat: Chat) {
  return route({
    upgrade: ({ params }) => ({ data: { room: params.room ?? "" } }),
    open: () => {
      traffic.connections += 1;
    },
    message: (connection, data) => {
      traffic.received += 1;
      const request = read<ChatRequest>(data);
      if (request === undefined) connection.close(1008, "Not a chat message");
      else chat.receive(connection.data.room, connection, request);
    },
    close: (connection) => {
      traffic.connections -= 1;
      chat.leave(connection.data.room, connection);
    },
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
