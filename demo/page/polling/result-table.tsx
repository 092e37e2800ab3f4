/**
 * The comparison's table, and its way to the clipboard.
 */
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { Results } from "./statistics.ts";
import { COLUMNS, markdown, rows, tabSeparated } from "./statistics.ts";

/** The results so far; they can be copied once `complete`. */
export function ResultTable({ results, complete }: { readonly results: Results; readonly complete: boolean }): VNode {
  const [said, setSaid] = useState("");
  const [byHand, setByHand] = useState("");
  const lines = rows(results);
  const copy = async (name: string, text: string): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid(`Copied as ${name}.`);
      setByHand("");
    } catch {
      setSaid("The browser does not let this page copy; take the text from here:");
      setByHand(text);
    }
  };
  const disabled = !complete || lines.length === 0;
  return (
    <section class="panel results" aria-labelledby="results">
      <h2 id="results">Results</h2>
      {lines.length === 0 ? <p class="note">The figures will stand here.</p> : <Table lines={lines} />}
      <div class="actions">
        <button type="button" disabled={disabled} onClick={() => void copy("Markdown", markdown(results))}>
          Copy as Markdown
        </button>
        <button type="button" disabled={disabled} onClick={() => void copy("TSV", tabSeparated(results))}>
          Copy as TSV
        </button>
        <span role="status" class="note">
          {said}
        </span>
      </div>
      {byHand !== "" && <textarea class="by-hand" readOnly rows={5} aria-label="Results as text" value={byHand} />}
    </section>
  );
}

function Table({ lines }: { readonly lines: readonly string[][] }): VNode {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
    <section class="scroll" tabIndex={0} aria-labelledby="results">
      <table>
        <thead>
          <tr>
            {COLUMNS.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {lines.map(([name = "", ...cells]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              {cells.map((cell, index) => (
                <td key={COLUMNS[index + 1]}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
