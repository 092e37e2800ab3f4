// @ts-check
/** Five ways for a client to say who it is. However it does, that holds for some seconds, or until a new token comes. */
import { refuse, route, serve } from "openline";
import { makeCertificates, readCertificate } from "./certificates.js";
import { login, userOf } from "./login.js";
import { handlers } from "./session.js";
import { redeem, seconds, verify } from "./tokens.js";

const port = Number(process.env.PORT ?? 9998);
// Pages are told by a Close why they are refused: of a status they see nothing.
const names = { refuseByClose: true, host: "127.0.0.1", hosts: ["localhost", "127.0.0.1"] };

/** @param {string | undefined} user */
const letIn = (user, until = Date.now() + seconds * 1000) =>
  user === undefined ? refuse({ status: 401, reason: "Log in first" }) : { data: { user, until } };

// 1. A client certificate: TLS refuses who has none from our authority, before a request is read.
makeCertificates();
const withCertificates = await serve({
  port: port && (port < 65_535 ? port + 1 : port - 1),
  ...names,
  tls: { ...readCertificate("server"), requestCert: true },
  routes: {
    "/": route({
      upgrade: ({ request }) => {
        const { subject } = /** @type {import("node:tls").TLSSocket} */ (request.socket).getPeerCertificate();
        return letIn(String(subject.CN));
      },
      ...handlers,
    }),
  },
});

const server = await serve({
  port,
  ...names,
  request: login(seconds, withCertificates.port),
  routes: {
    // 2. A session's cookie. Browsers send it for any page; the pages of others are refused for their origin.
    "/cookie": route({ upgrade: ({ request }) => letIn(userOf(request)), ...handlers }),
    // 3. A ticket in the URL, which may end up in a log: it is good once, for ten seconds.
    "/ticket": route({ upgrade: ({ url }) => letIn(redeem(url.searchParams.get("ticket"))?.user), ...handlers }),
    // 4. A bearer token that is offered as a subprotocol, beside the one that is meant.
    "/bearer": route({
      subprotocols: ["example"],
      upgrade: ({ subprotocols }) => {
        const claims = verify(subprotocols.find((name) => name.startsWith("bearer."))?.slice(7), "access");
        return letIn(claims?.user, claims?.until);
      },
      ...handlers,
    }),
    // 5. A token as the first message, for which a client has three seconds.
    "/first-message": route({ upgrade: () => ({ data: { until: Date.now() + 3000 } }), ...handlers }),
  },
});

for (const signal of ["SIGINT", "SIGTERM"])
  process.on(signal, () => [server, withCertificates].map((one) => one.close()));
console.log(`Open http://localhost:${server.port}. Ctrl-C ends the server.`);
console.log(`With a certificate: CERTIFICATE_PORT=${withCertificates.port} npm run client`);
