/**
 * The drain view: a server of this page's own, twelve clients of it, and a button that replaces it by the next. A line for
 * each client shows when it was sent away and when it came back.
 */
import { ReconnectingWebSocket } from "openline/browser";
import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import shiftCode from "../../server/drain/shift.ts?cut=drain,serveNext&code";
import type { DrainMessage, DrainRequest } from "../../server/messages.ts";
import { DRAIN_OVER } from "../../server/messages.ts";
import { BothEnds } from "../parts/code.tsx";
import { socketUrl } from "../parts/format.ts";
import { COME_BACK, StandingLine, useSocket } from "../parts/standing.tsx";
import type { Client } from "./clients.ts";
import { Clients } from "./clients.ts";
import clientsCode from "./clients.ts?cut=connect&code";

const BROWSER = { file: "demo/page/drain/clients.ts", text: clientsCode };
const SERVER = { file: "demo/server/drain/shift.ts", text: shiftCode };

/** Seconds that the lines show at least. */
const SHORTEST = 10;

/** The view. */
export function DrainView(): VNode {
  const [, setVersion] = useState(0);
  const changed = (): void => setVersion((version) => version + 1);
  const clients = useRef<Clients | undefined>(undefined);
  clients.current ??= new Clients(changed);
  const crew = clients.current;
  const { socket, standing } = useSocket(() => {
    const made = new ReconnectingWebSocket(socketUrl("/drain"), [], { reconnect: COME_BACK, queue: false });
    made.onmessage = ({ data }) => crew.take(JSON.parse(data) as DrainMessage);
    return made;
  });
  useEffect(() => () => crew.close(), []);
  const ready = standing.state === "open" && crew.ready;
  const drain = (): void => {
    if (!ready) return;
    socket.current?.send(JSON.stringify({ do: "drain" } satisfies DrainRequest));
  };
  const away = crew.clients.some(({ generation }) => generation !== crew.generation);
  useEffect(() => {
    if (!away) return;
    const timer = setInterval(changed, 100);
    return () => clearInterval(timer);
  }, [away]);

  const elapsed = away ? crew.elapsed() : Math.max(0, ...crew.clients.map(({ back }) => back ?? 0));
  const span = Math.max(SHORTEST, Math.ceil(elapsed));
  return (
    <>
      <div class="drain-choices">
        {/* Not `disabled`, which would take the keyboard's focus from the one who has just pressed it. */}
        <button type="button" class="primary" aria-disabled={!ready} onClick={drain}>
          Drain the server
        </button>
        <StandingLine standing={standing} retry={() => socket.current?.reconnect()} />
      </div>
      <section class="panel" aria-labelledby="clients">
        <h2 id="clients">Twelve clients</h2>
        <p class="drain-state" role="status" data-fact="drain">
          {summary(crew, standing.state === "open")}
        </p>
        <ul class="legend">
          <li>
            <span class="swatch stay" aria-hidden="true" /> connected
          </li>
          <li>
            <span class="swatch away" aria-hidden="true" /> sent away, waiting to come back
          </li>
        </ul>
        <ol class="tracks">
          {crew.clients.map((client) => (
            <Track key={client.number} client={client} elapsed={elapsed} span={span} />
          ))}
        </ol>
        <p class="axis note" aria-hidden="true">
          <span>0 s</span>
          <span>{span / 2} s</span>
          <span>{span} s</span>
        </p>
      </section>
      <p class="note drain-note">
        The server gives {DRAIN_OVER / 1000} s to sending its clients away, so that they do not all knock at the next
        one at once. 1012 says that it restarts: each client then waits for a random part of ten seconds before its
        first try. What comes while the old server is still draining is refused with 503, and tries again.
      </p>
      <BothEnds browser={BROWSER} server={SERVER} />
    </>
  );
}

function summary(crew: Clients, reachable: boolean): string {
  const { clients, generation, phase } = crew;
  const here = clients.filter((client) => client.generation === generation).length;
  if (phase === "connecting") return "Connecting…";
  if (!reachable) return `No server can be reached: ${here} of ${clients.length} are connected.`;
  if (phase === "draining") {
    const left = clients.filter((client) => client.left !== undefined).length;
    return `Server ${generation} is draining: ${left} of ${clients.length} have left.`;
  }
  if (here < clients.length) return `Server ${generation} serves: ${here} of ${clients.length} are here.`;
  const last = Math.max(0, ...clients.map(({ back }) => back ?? 0));
  if (last === 0) return `All ${here} are connected to server ${generation}. Press the button.`;
  return `All ${here} are back, on server ${generation}, ${last.toFixed(1)} s after the first was sent away.`;
}

interface TrackProps {
  readonly client: Client;
  readonly elapsed: number;
  readonly span: number;
}

function Track({ client, elapsed, span }: TrackProps): VNode {
  const { number, left, back } = client;
  const share = (seconds: number): string => `${(100 * Math.min(seconds, span)) / span}%`;
  const until = back ?? elapsed;
  return (
    <li data-client={number}>
      <span class="number">{number}</span>
      <div class="track" aria-hidden="true">
        <div class="stay" style={{ left: "0%", width: share(left ?? span) }} />
        {left !== undefined && <div class="away" style={{ left: share(left), width: share(until - left) }} />}
        {back !== undefined && <div class="stay" style={{ left: share(back), width: share(span - back) }} />}
      </div>
      <span class="said">{said(client)}</span>
    </li>
  );
}

function said({ left, back, code, tries }: Client): string {
  if (left === undefined) return "connected";
  const returned = back === undefined ? "" : `, back at ${back.toFixed(1)} s`;
  return `left at ${left.toFixed(1)} s (${code})${returned}${tries > 1 ? `, ${tries} tries` : ""}`;
}
