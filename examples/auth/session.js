// @ts-check
/** What connections have in common, however their clients said who they are: an end, which a new token puts off. */
import { CloseCode } from "openline";
import { verify } from "./tokens.js";

/** @typedef {{ user?: string | undefined, until: number, timer?: NodeJS.Timeout }} Session */
/** @typedef {import("openline").ServerConnection<Session>} Client */

/** Tells the client who it is and until when, and closes the connection then. @param {Client} connection */
function hold(connection) {
  const { data } = connection;
  const reason = data.user === undefined ? "No token came in time" : "The token has expired";
  clearTimeout(data.timer);
  data.timer = setTimeout(() => connection.close(4001, reason), data.until - Date.now());
  if (data.user !== undefined) connection.send(JSON.stringify({ user: data.user, until: data.until }));
}

/** The handlers of a route whose `upgrade` gives a `Session`. */
export const handlers = {
  open: hold,

  /** @param {Client} connection @param {string | Uint8Array} message */
  message(connection, message) {
    const { data } = connection;
    const [, token] = /^token (.*)$/.exec(String(message)) ?? [];
    if (token === undefined && data.user !== undefined) {
      return connection.send(JSON.stringify({ user: data.user, text: String(message) }));
    }
    // The first message of a client that is not known yet, or a new token of one that is.
    const claims = verify(token, "access");
    if (!claims || (data.user ?? claims.user) !== claims.user) {
      return connection.close(CloseCode.PolicyViolation, "This is no token of yours");
    }
    data.user = claims.user;
    data.until = claims.until;
    hold(connection);
  },

  /** @param {Client} connection */
  close: ({ data }) => clearTimeout(data.timer),
};
