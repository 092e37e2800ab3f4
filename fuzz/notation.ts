/**
 * Inputs as people read and write them: bytes in hexadecimal and text in double quotes, side by side in one line.
 *
 * `81 05 "hello"` is seven bytes. Text stands for one byte a character, with the escapes of JSON; in a corpus `#` begins
 * a comment, and a line that begins with a space goes on with the input of the line before.
 */

const piece = /\s+|#.*|"(?:[^"\\]|\\.)*"|[0-9a-f]{2}/giy;

/** The bytes that a line stands for; throws for a line that is none. */
export function parseInput(line: string): Buffer {
  const parts: Buffer[] = [];
  piece.lastIndex = 0;
  while (piece.lastIndex < line.length) {
    const at = piece.lastIndex;
    const [found] = piece.exec(line) ?? [];
    if (found === undefined) throw new Error(`Cannot read the input: neither bytes nor text at "${line.slice(at)}"`);
    if (found.startsWith('"')) parts.push(Buffer.from(JSON.parse(found) as string, "latin1"));
    else if (/^[0-9a-f]/i.test(found)) parts.push(Buffer.from(found, "hex"));
  }
  return Buffer.concat(parts);
}

/** The line for an input: stretches of printable characters as text, the rest as bytes. */
export function formatInput(input: Uint8Array): string {
  const text = Buffer.from(input).toString("latin1");
  const parts = text.match(/(?:[\x20-\x7e]|\r\n){3,}|[\s\S]/g) ?? [];
  return parts.map((part) => (part.length > 2 ? JSON.stringify(part) : hex(part))).join(" ");
}

/** Every input of a corpus. */
export function parseCorpus(text: string): Buffer[] {
  const lines: string[] = [];
  for (const line of text.split("\n")) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    if (line.startsWith(" ") && lines.length > 0) lines.push(`${lines.pop()} ${line}`);
    else lines.push(line);
  }
  return lines.map(parseInput);
}

function hex(part: string): string {
  return Buffer.from(part, "latin1").toString("hex");
}
