/**
 * The article's example as a script of this server: the code the echo view shows is the code it runs.
 * It is served as written where its literal URL leads here; elsewhere the host it names is replaced by the page's own.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ServedFile } from "./files.ts";

/** The scripts by their path, and the files they are: the article's own, and one with its words in English. */
export const ARTICLE_FILES: ReadonlyMap<string, string> = new Map([
  ["/article.js", "/article.zh.txt"],
  ["/article.en.js", "/article.en.txt"],
]);

const LITERAL_HOST = "localhost:9998";
const LEADS_HERE = new Set([LITERAL_HOST, "127.0.0.1:9998"]);
const PLAIN_HOST = /^[\w.-]+(:\d+)?$|^\[[0-9a-f:]+\](:\d+)?$/i;

/** Answers with the script, naming in it the host this request was sent to; 400 when that host is not a plain one. */
export function sendArticle(article: ServedFile, request: IncomingMessage, response: ServerResponse): void {
  const host = request.headers.host ?? LITERAL_HOST;
  if (!PLAIN_HOST.test(host)) {
    response.writeHead(400, { "content-type": "text/plain" }).end("Cannot serve the example: the Host is malformed\n");
    return;
  }
  const text = article.body.toString();
  const body = Buffer.from(LEADS_HERE.has(host) ? text : text.replace(LITERAL_HOST, host));
  response
    .writeHead(200, {
      "content-type": "text/javascript; charset=utf-8",
      "content-length": body.length,
      "x-content-type-options": "nosniff",
      "cache-control": "no-store",
    })
    .end(request.method === "HEAD" ? undefined : body);
}
