// @ts-check
/** The page, and what it asks for by HTTP: POST /login gives a session, which gets tickets and tokens. */
import { readFileSync } from "node:fs";
import { cookiesOf } from "openline";
import { issue, verify } from "./tokens.js";

const page = readFileSync(new URL("page.html", import.meta.url));

/** The user of the session in a request's cookie. @param {import("node:http").IncomingMessage} request */
export function userOf(request) {
  return verify(cookiesOf(request).get("session"), "session")?.user;
}

/**
 * Answers requests. A token holds for `seconds`; the page is told at which port certificates are asked for.
 *
 * @param {number} seconds @param {number} certificatePort @returns {import("node:http").RequestListener}
 */
export function login(seconds, certificatePort) {
  return (request, response) => {
    const user = userOf(request);
    const asked = `${request.method} ${request.url}`;
    if (asked === "POST /login") {
      // A real one asks for more than to be called.
      const session = issue("Ada", "session", 3600);
      response.setHeader("Set-Cookie", `session=${session}; HttpOnly; SameSite=Strict; Path=/`);
      response.end(String(certificatePort));
    } else if (asked === "POST /ticket" && user !== undefined) {
      response.end(issue(user, "ticket", 10));
    } else if (asked === "POST /token" && user !== undefined) {
      response.end(issue(user, "access", seconds));
    } else if (request.method === "POST") {
      response.writeHead(401).end("Log in first\n");
    } else {
      response.setHeader("Content-Type", "text/html").end(page);
    }
  };
}
