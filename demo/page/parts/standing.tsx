/**
 * How a view's connection stands, in words: connected, lost and why, when the next try is, and that it came back.
 */
import type { ReconnectingWebSocket, ReconnectOptions, RetryState } from "openline/browser";
import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

/** A demo has few readers, who do not want to wait: they come back sooner than the defaults say. */
export const COME_BACK: ReconnectOptions = { firstDelay: 500, maxDelay: 5000 };

/** What is known of a connection that comes back. */
export interface Standing {
  readonly state: RetryState;
  /** When the next attempt is due, in milliseconds since the epoch; 0 unless waiting. */
  readonly retryAt: number;
  /** How the last connection was lost; undefined while none was. */
  readonly lost: { readonly code: number; readonly reason: string; readonly at: number } | undefined;
  /** How long the last loss lasted, in milliseconds; undefined while it lasts and before the first. */
  readonly away: number | undefined;
}

const BEGINNING: Standing = { state: "connecting", retryAt: 0, lost: undefined, away: undefined };

/** Tells `changed` how `socket` stands, now and whenever that changes. */
export function watchStanding(socket: ReconnectingWebSocket, changed: (standing: Standing) => void): void {
  let standing = BEGINNING;
  const set = (change: Partial<Standing>): void => {
    standing = { ...standing, state: socket.state, retryAt: socket.retryAt, ...change };
    changed(standing);
  };
  socket.addEventListener("statechange", () => set({}));
  socket.addEventListener("open", () => {
    if (standing.lost !== undefined) set({ away: Date.now() - standing.lost.at });
  });
  socket.addEventListener("close", ({ code, reason, final }) => {
    if (!final) set({ lost: { code, reason, at: Date.now() }, away: undefined });
  });
}

/** The connection of a view for as long as the view is shown: made by `make` when it comes, closed when it goes. */
export function useSocket(make: () => ReconnectingWebSocket): {
  readonly socket: { readonly current: ReconnectingWebSocket | undefined };
  readonly standing: Standing;
} {
  const socket = useRef<ReconnectingWebSocket | undefined>(undefined);
  const [standing, setStanding] = useState(BEGINNING);
  useEffect(() => {
    const made = make();
    socket.current = made;
    watchStanding(made, setStanding);
    return () => made.close();
  }, []);
  return { socket, standing };
}

/** The standing as a line with a lamp; a way to try at once while it waits. */
export function StandingLine(props: {
  readonly standing: Standing;
  readonly retry: () => void;
  readonly children?: string;
}): VNode {
  const { standing, retry, children = "" } = props;
  const open = standing.state === "open";
  return (
    <div class="standing">
      <p class="status" role="status" data-state={standing.state}>
        <span class={open ? "lamp on" : "lamp"} aria-hidden="true" />
        <span>
          {sentence(standing)} {open && children}
        </span>
      </p>
      {standing.state === "waiting" && (
        <p class="note retry">
          <Countdown to={standing.retryAt} />{" "}
          <button type="button" onClick={retry}>
            Try now
          </button>
        </p>
      )}
    </div>
  );
}

function sentence({ state, lost, away }: Standing): string {
  const why = lost === undefined ? "" : `${lost.code}${lost.reason === "" ? "" : `, “${lost.reason}”`}`;
  if (state === "open") {
    if (lost === undefined || away === undefined) return "Connected.";
    return `Connected again: the connection was lost (${why}) and came back after ${(away / 1000).toFixed(1)} s.`;
  }
  if (state === "closed" || state === "closing") return "Closed.";
  return lost === undefined ? "Connecting…" : `The connection was lost (${why}). It comes back by itself.`;
}

/** Seconds until the next attempt; not read out, since it changes all the time. */
function Countdown({ to }: { readonly to: number }): VNode {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, []);
  return <span aria-hidden="true">Next try in {Math.max(0, (to - now) / 1000).toFixed(0)} s.</span>;
}
