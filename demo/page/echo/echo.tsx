/**
 * The echo view: the article's example, shown and run as served, and the connection it opened, alive and at hand.
 */
import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import serverCode from "../../server/routes.ts?cut=echoRoute&code";
import { SourceCode } from "../parts/code.tsx";
import { ARTICLES, Article, readersLanguage } from "./article.tsx";
import type { Entry, SocketKind } from "./line.ts";
import { Line } from "./line.ts";

const STATES = ["CONNECTING", "OPEN", "CLOSING", "CLOSED"] as const;

const SERVER = { file: "demo/server/routes.ts", text: serverCode };

/** The view: the example runs once by itself. */
export function EchoView(): VNode {
  const [, setVersion] = useState(0);
  const holder = useRef<Line | undefined>(undefined);
  holder.current ??= new Line(() => setVersion((version) => version + 1));
  const line = holder.current;
  const [language, setLanguage] = useState(readersLanguage);
  const [kind, setKind] = useState<SocketKind>("openline");
  const connection = useRef<HTMLElement>(null);
  const run = (what: () => void): void => {
    what();
    if (matchMedia("(max-width: 56rem)").matches) connection.current?.scrollIntoView();
  };
  useEffect(() => {
    line.runArticle(ARTICLES[language].path, kind);
    return () => line.leave();
  }, [line]);

  return (
    <div class="echo">
      <section class="panel code" aria-labelledby="example">
        <h2 id="example">The example</h2>
        <Article language={language} choose={setLanguage} />
        <div class="actions">
          <button
            type="button"
            class="primary"
            onClick={() => run(() => line.runArticle(ARTICLES[language].path, kind))}
          >
            Run it again
          </button>
          <button type="button" onClick={() => run(() => line.runRefused())}>
            Provoke an error
          </button>
        </div>
        <label class="choice">
          <input
            type="checkbox"
            checked={kind === "openline"}
            onChange={(event) => setKind(event.currentTarget.checked ? "openline" : "browser")}
          />
          <span>
            In the example, <code>WebSocket</code> is openline’s <code>ReconnectingWebSocket</code>: the same members,
            and it comes back when the server does. Without the tick it is the browser’s own. Holds for the next run.
          </span>
        </label>
        <p class="note">
          What you read is the file that runs. Its <code>alert()</code> writes to the timeline here, instead of stopping
          the page with a dialog.
        </p>
      </section>
      <section class="panel connection" aria-labelledby="connection" ref={connection}>
        <h2 id="connection">The connection</h2>
        <States readyState={line.readyState} />
        <dl class="facts">
          <div>
            <dt>readyState</dt>
            <dd data-fact="readyState">{line.readyState ?? "–"}</dd>
          </div>
          <div>
            <dt>bufferedAmount</dt>
            <dd data-fact="bufferedAmount">{line.bufferedAmount}</dd>
          </div>
          <div>
            <dt>Round trip</dt>
            <dd>{line.roundTrip === undefined ? "–" : `${line.roundTrip.toFixed(1)} ms`}</dd>
          </div>
        </dl>
        <Speak line={line} />
        <Timeline entries={line.entries} />
      </section>
      <section class="panel server" aria-label="What answers">
        <SourceCode side="On the server" code={SERVER} />
      </section>
    </div>
  );
}

function States({ readyState }: { readonly readyState: number | undefined }): VNode {
  return (
    <ol class="states" aria-label="readyState">
      {STATES.map((name, value) => (
        <li
          key={name}
          class={readyState !== undefined && value < readyState ? "passed" : ""}
          aria-current={value === readyState ? "step" : undefined}
        >
          <span class="value">{value}</span> {name}
        </li>
      ))}
    </ol>
  );
}

function Speak({ line }: { readonly line: Line }): VNode {
  const [text, setText] = useState("");
  const [over, setOver] = useState(false);
  const open = line.readyState === WebSocket.OPEN;
  const submit = (event: Event): void => {
    event.preventDefault();
    if (!open || text === "") return;
    line.send(text);
    setText("");
  };
  const choose = (event: Event): void => {
    const input = event.currentTarget as HTMLInputElement;
    for (const file of input.files ?? []) line.send(file);
    input.value = "";
  };
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    if (open) for (const file of event.dataTransfer?.files ?? []) line.send(file);
  };
  return (
    <form class="speak" onSubmit={submit}>
      <label for="text">Text to send</label>
      <div class="row">
        <input
          id="text"
          autocomplete="off"
          value={text}
          disabled={!open}
          placeholder={open ? "Anything" : "Run the example first"}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <button type="submit" disabled={!open || text === ""}>
          Send
        </button>
        <button type="button" disabled={!open} onClick={() => line.close()}>
          Close
        </button>
      </div>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: dropping is an extra; the file input inside is the way for all */}
      <div
        class={over ? "drop over" : "drop"}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      >
        <label for="file">A file to send, chosen or dropped here (up to 16 MiB)</label>
        <input id="file" type="file" multiple disabled={!open} onChange={choose} />
      </div>
    </form>
  );
}

function Timeline({ entries }: { readonly entries: readonly Entry[] }): VNode {
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = list.current;
    if (element !== null) element.scrollTop = element.scrollHeight;
  }, [entries]);
  return (
    <>
      <h3 id="timeline">
        Timeline <span class="note">in milliseconds</span>
      </h3>
      {entries.length === 0 && <p class="note empty">Nothing has happened yet.</p>}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard */}
      <div class="timeline" role="log" aria-labelledby="timeline" tabIndex={0} ref={list} hidden={entries.length === 0}>
        <ol>
          {entries.map((entry) => (
            <li key={entry.id} class={entry.bad ? `${entry.kind} broken` : entry.kind} data-kind={entry.kind}>
              <time>{entry.at.toFixed(1)}</time>
              <span class="kind">{entry.kind}</span>
              <span class="text">
                {entry.text} {entry.note !== "" && <small>{entry.note}</small>}
              </span>
            </li>
          ))}
        </ol>
      </div>
    </>
  );
}
