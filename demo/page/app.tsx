/**
 * The shell: the mark, the way to the views by the URL's hash, the theme, and the view itself.
 * Every view has its own address and closes its connections when left.
 */
import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ChatView } from "./chat/chat.tsx";
import { DrainView } from "./drain/drain.tsx";
import { EchoView } from "./echo/echo.tsx";
import { chooseTheme, useTheme } from "./parts/theme.ts";
import { PollingView } from "./polling/polling.tsx";
import { PushView } from "./push/push.tsx";
import { FEED, SlowView } from "./slow/slow.tsx";

interface View {
  readonly path: string;
  readonly name: string;
  readonly title: string;
  readonly lead: string;
  readonly show: (rest: string) => VNode;
}

const VIEWS: readonly [View, ...View[]] = [
  {
    path: "echo",
    name: "Echo",
    title: "Say something, hear it back",
    lead: "The whole of the browser’s interface in one example: a constructor, two methods, four events. It has just run: keep talking on the connection it opened.",
    show: () => <EchoView />,
  },
  {
    path: "push",
    name: "Push",
    title: "The server speaks first",
    lead: "HTTP answers questions. Here nobody asks: twice a second the server tells this page how it is doing, over one connection.",
    show: () => <PushView />,
  },
  {
    path: "polling",
    name: "Polling",
    title: "Why not polling",
    lead: "The same feed of changes, followed three ways, with the bill for each: counted at the server’s sockets, not estimated.",
    show: () => <PollingView />,
  },
  {
    path: "chat",
    name: "Chat",
    title: "Rooms for tabs and people",
    lead: "Everyone in a room hears what is said in it. Open the same room in a second tab and talk to yourself, or send someone the address.",
    show: (rest) => <ChatView room={rest} />,
  },
  {
    path: "readers",
    name: "Readers",
    title: "One reader falls behind",
    lead: `Everyone gets the same feed, ${FEED}. What a slow reader has not taken waits in the server, and only so much of it may; the fast ones do not notice.`,
    show: () => <SlowView />,
  },
  {
    path: "drain",
    name: "Drain",
    title: "A server leaves, the next one comes",
    lead: "Twelve connections of this page have a server of their own. Drain it, as before an update: see who is sent away when, and who is back.",
    show: () => <DrainView />,
  },
];

/** The page. */
export function App(): VNode {
  const hash = useHash();
  const [path = "", rest = ""] = hash.split("/");
  const view = VIEWS.find((one) => one.path === path) ?? VIEWS[0];
  const heading = useRef<HTMLHeadingElement>(null);
  const first = useRef(true);

  useEffect(() => {
    document.title = `${view.name} · openline`;
    if (!first.current) {
      scrollTo(0, 0);
      heading.current?.focus();
    }
    first.current = false;
  }, [view]);

  const skip = (event: Event): void => {
    event.preventDefault();
    heading.current?.focus();
  };

  return (
    <>
      <a class="skip" href={`#/${view.path}`} onClick={skip}>
        Skip to the content
      </a>
      <header class="top">
        <a class="mark" href="#/echo" aria-label="openline, start">
          <Mark />
          openline
        </a>
        <nav aria-label="Views">
          {VIEWS.map((one) => (
            <a key={one.path} href={`#/${one.path}`} aria-current={one === view ? "page" : undefined}>
              {one.name}
            </a>
          ))}
        </nav>
        <ThemeToggle />
      </header>
      <main key={view.path}>
        <div class="intro">
          <h1 tabIndex={-1} ref={heading}>
            {view.title}
          </h1>
          <p class="lead">{view.lead}</p>
        </div>
        {view.show(rest)}
      </main>
      <footer>
        <span>RFC 6455 over one TCP connection.</span>{" "}
        <span>Nothing on this page comes from anywhere but this server.</span>
      </footer>
    </>
  );
}

function ThemeToggle(): VNode {
  const theme = useTheme();
  const other = theme === "dark" ? "light" : "dark";
  return (
    <button type="button" class="theme" aria-label={`Switch to the ${other} theme`} onClick={() => chooseTheme(other)}>
      <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
        <circle cx="10" cy="10" r="7" fill="none" stroke="currentColor" stroke-width="1.5" />
        <path d={theme === "dark" ? "M10 3a7 7 0 0 0 0 14z" : "M10 3a7 7 0 0 1 0 14z"} fill="currentColor" />
      </svg>
    </button>
  );
}

/** Two lines, each with its speaker, in opposite directions. */
function Mark(): VNode {
  return (
    <svg viewBox="0 0 32 20" width="32" height="20" aria-hidden="true">
      <path d="M7 5h22M25 15H3" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" />
      <circle cx="5" cy="5" r="3" fill="currentColor" />
      <circle cx="27" cy="15" r="3" fill="currentColor" />
    </svg>
  );
}

/** The hash without `#/`, kept current. */
function useHash(): string {
  const read = (): string => location.hash.replace(/^#\/?/, "");
  const [hash, setHash] = useState(read);
  useEffect(() => {
    const update = (): void => setHash(read());
    addEventListener("hashchange", update);
    return () => removeEventListener("hashchange", update);
  }, []);
  return hash;
}
