/**
 * The article's example as served, in the reader's language or as it was printed. Both are files of this server, and what
 * is shown is what runs.
 */
import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { CodeBlock, paint } from "../parts/code.tsx";

/** The languages in which the example's comments and words are there; the article's own is Chinese. */
export const ARTICLES = {
  en: { path: "/article.en.js", name: "In English" },
  zh: { path: "/article.js", name: "As in the article (Chinese)" },
} as const;

/** A key of `ARTICLES`. */
export type ArticleLanguage = keyof typeof ARTICLES;

const LANGUAGES: readonly ArticleLanguage[] = ["en", "zh"];

/** The language of the two that the browser prefers; English when it prefers neither. */
export function readersLanguage(): ArticleLanguage {
  const tags = navigator.languages.map((tag) => tag.slice(0, 2));
  return LANGUAGES.find((language) => language === tags.find((tag) => tag === "en" || tag === "zh")) ?? "en";
}

/** The example's text, with the host set apart when it is not the article's own. */
export function Article(props: {
  readonly language: ArticleLanguage;
  readonly choose: (language: ArticleLanguage) => void;
}): VNode {
  const { language, choose } = props;
  const [text, setText] = useState("");
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    let left = false;
    setFailed(false);
    fetch(ARTICLES[language].path)
      .then((answer) => (answer.ok ? answer.text() : Promise.reject(new Error(answer.statusText))))
      .then(
        (loaded) => left || setText(loaded),
        () => left || setFailed(true),
      );
    return () => {
      left = true;
    };
  }, [language]);
  const host = /ws:\/\/([^/]+)\//.exec(text)?.[1] ?? "";
  const replaced = host !== "" && host !== "localhost:9998";
  return (
    <>
      <fieldset class="languages">
        <legend class="hidden">Comments of the example</legend>
        {LANGUAGES.map((one) => (
          <label key={one}>
            <input type="radio" name="language" checked={one === language} onChange={() => choose(one)} />
            <span>{ARTICLES[one].name}</span>
          </label>
        ))}
      </fieldset>
      {failed ? (
        <p class="bad">The example could not be loaded.</p>
      ) : (
        <CodeBlock label="Source of the example" language={language}>
          {paint(text, replaced ? host : "")}
        </CodeBlock>
      )}
      {language === "zh" && (
        <p class="note">Boxes in place of Chinese characters mean that this machine has no font for them.</p>
      )}
      {replaced && (
        <p class="note">
          The article says <code>localhost:9998</code>; this page comes from <code>{host}</code>, which stands in its
          place, marked.
        </p>
      )}
    </>
  );
}
