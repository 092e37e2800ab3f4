/**
 * Code on the page: painted, and as the two sides of a view, the browser's beside the server's.
 */
import type { ComponentChildren, VNode } from "preact";

/** A piece of code and the file of this repository that it was read from. */
export interface ShownCode {
  readonly file: string;
  readonly text: string;
}

const WORDS =
  "async|await|class|const|else|export|for|function|if|import|interface|let|new|of|readonly|return|static|this|throw|try|typeof|undefined|var|while";
const TOKENS = new RegExp(`(/\\*\\*[^]*?\\*/|//[^\\n]*|"[^"\\n]*"|\`[^\`]*\`|\\b(?:${WORDS})\\b)`);

/** Comments, strings and keywords in their own tone; `mark`, where a string has it, is set apart. The text is untouched. */
export function paint(code: string, mark = ""): (VNode | string)[] {
  return code.split(TOKENS).map((part, index) => {
    if (index % 2 === 0) return part;
    const tone = part.startsWith("/") ? "comment" : /^["`]/.test(part) ? "string" : "keyword";
    const at = tone === "string" && mark !== "" ? part.indexOf(mark) : -1;
    return (
      <span key={index} class={tone}>
        {at < 0 ? part : [part.slice(0, at), <mark key="mark">{mark}</mark>, part.slice(at + mark.length)]}
      </span>
    );
  });
}

/** One block of code that scrolls by itself; `language` is that of its comments. */
export function CodeBlock(props: {
  readonly label: string;
  readonly language?: string;
  readonly children: ComponentChildren;
}): VNode {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
    <section class="code-block" tabIndex={0} aria-label={props.label} lang={props.language ?? "en"}>
      <pre>
        <code>{props.children}</code>
      </pre>
    </section>
  );
}

/** Code with the name of its file above it. */
export function SourceCode({ side, code }: { readonly side: string; readonly code: ShownCode }): VNode {
  return (
    <div class="source" data-file={code.file}>
      <h3>
        {side} <span class="note">{code.file}</span>
      </h3>
      <CodeBlock label={`${side}, ${code.file}`}>{paint(code.text)}</CodeBlock>
    </div>
  );
}

/** What runs at both ends of a view, as it stands in the files that were built. */
export function BothEnds({ browser, server }: { readonly browser: ShownCode; readonly server: ShownCode }): VNode {
  return (
    <section class="both-ends" aria-labelledby="both-ends">
      <h2 id="both-ends">The code at both ends</h2>
      <div class="ends">
        <SourceCode side="In the browser" code={browser} />
        <SourceCode side="On the server" code={server} />
      </div>
    </section>
  );
}
