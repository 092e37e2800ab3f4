/**
 * The built page, read once at start into a map from URL path to bytes: a request can only ever name a key of that map,
 * never a path of the disk. Assets whose name carries a hash are immutable; everything else is checked by its ETag.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname, join, relative, sep } from "node:path";

/** One file as it will be served. */
export interface ServedFile {
  readonly body: Buffer;
  readonly type: string;
  readonly etag: string;
  readonly cacheControl: string;
}

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
};

const HASHED = /^\/assets\/.+-[\w-]{8}\.\w+$/;

/** Reads every file under `folder`; throws what `node:fs` throws when it is not there. */
export function readFiles(folder: string): Map<string, ServedFile> {
  const files = new Map<string, ServedFile>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const url = `/${relative(folder, path).split(sep).join("/")}`;
    const body = readFileSync(path);
    files.set(url, {
      body,
      type: TYPES[extname(url)] ?? "application/octet-stream",
      etag: `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`,
      cacheControl: HASHED.test(url) ? "public, max-age=31536000, immutable" : "no-cache",
    });
  }
  const index = files.get("/index.html");
  if (index !== undefined) files.set("/", index);
  return files;
}

/** What the page may load and connect to: itself, and the literal URL of the article's example. */
export function contentSecurityPolicy(port: number): string {
  const sockets = new Set([9998, port].flatMap((known) => [`ws://localhost:${known}`, `ws://127.0.0.1:${known}`]));
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    `connect-src 'self' ${[...sockets].join(" ")}`,
    "img-src 'self' data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}

/** Answers GET and HEAD for `file`, with 304 when the client has it already; 405 for other methods. */
export function sendFile(file: ServedFile, policy: string, request: IncomingMessage, response: ServerResponse): void {
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.writeHead(405, { allow: "GET, HEAD" }).end();
    return;
  }
  const headers = {
    "content-security-policy": policy,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": file.cacheControl,
    etag: file.etag,
  };
  if (request.headers["if-none-match"] === file.etag) {
    response.writeHead(304, headers).end();
    return;
  }
  response.writeHead(200, { ...headers, "content-type": file.type, "content-length": file.body.length });
  response.end(request.method === "HEAD" ? undefined : file.body);
}
