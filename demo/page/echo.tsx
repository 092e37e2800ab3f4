/**
 * The echo view: the article's example, shown and run as served, and the connection it opened, alive and at hand.
 */
import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Entry } from "./line.ts";
import { Line } from "./line.ts";

const STATES = ["CONNECTING", "OPEN", "CLOSING", "CLOSED"] as const;

/** The view. */
export function EchoView(): VNode {
  const [, setVersion] = useState(0);
  const holder = useRef<Line | undefined>(undefined);
  holder.current ??= new Line(() => setVersion((version) => version + 1));
  const line = holder.current;
  useEffect(() => () => line.leave(), [line]);
  const connection = useRef<HTMLElement>(null);
  const run = (what: () => void): void => {
    what();
    if (matchMedia("(max-width: 56rem)").matches) connection.current?.scrollIntoView();
  };

  const idle = line.readyState === undefined || line.readyState === WebSocket.CLOSED;
  return (
    <div class="echo">
      <section class="panel code" aria-labelledby="example">
        <h2 id="example">The example</h2>
        <Article />
        <div class="actions">
          <button type="button" class="primary" disabled={!idle} onClick={() => run(() => line.runArticle())}>
            Run the example
          </button>
          <button type="button" disabled={!idle} onClick={() => run(() => line.runRefused())}>
            Provoke an error
          </button>
        </div>
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
    </div>
  );
}

/** The example's text, with the host set apart when it is not the article's own. */
function Article(): VNode {
  const [text, setText] = useState("");
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    fetch("/article.js")
      .then((answer) => (answer.ok ? answer.text() : Promise.reject(new Error(answer.statusText))))
      .then(setText, () => setFailed(true));
  }, []);
  if (failed) return <p class="bad">The example could not be loaded.</p>;
  const host = /ws:\/\/([^/]+)\//.exec(text)?.[1] ?? "";
  const replaced = host !== "" && host !== "localhost:9998";
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard */}
      <section tabIndex={0} aria-label="Source of the example" lang="zh">
        <pre>
          <code>{paint(text, replaced ? host : "")}</code>
        </pre>
      </section>
      {replaced && (
        <p class="note">
          The article says <code>localhost:9998</code>; this page comes from <code>{host}</code>, which stands in its
          place, marked.
        </p>
      )}
    </>
  );
}

/** Comments, strings and keywords in their own tone, and `host` marked; the text itself is untouched. */
function paint(code: string, host: string): (VNode | string)[] {
  return code.split(/(\/\/[^\n]*|"[^"\n]*"|\b(?:var|new|function)\b)/).map((part, index) => {
    if (index % 2 === 0) return part;
    const tone = part.startsWith("//") ? "comment" : part.startsWith('"') ? "string" : "keyword";
    const at = tone === "string" && host !== "" ? part.indexOf(host) : -1;
    return (
      <span key={index} class={tone}>
        {at < 0 ? part : [part.slice(0, at), <mark key="host">{host}</mark>, part.slice(at + host.length)]}
      </span>
    );
  });
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
            <li key={entry.id} class={entry.kind} data-kind={entry.kind}>
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
