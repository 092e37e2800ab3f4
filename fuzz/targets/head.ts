/** A head of HTTP as the fuzz targets write it: a first line, then a field a line; what `node:http` would have parsed. */

/** A head taken apart at its line ends, spaces and colons, with nothing refused. */
export interface Head {
  /** The words of the first line. */
  readonly words: readonly string[];
  /** Names and values by turns. */
  readonly rawHeaders: readonly string[];
}

/** Takes a head apart. */
export function readHead(text: string): Head {
  const [first = "", ...lines] = text.split(/\r?\n/);
  const rawHeaders = lines
    .filter((line) => line !== "")
    .flatMap((line) => {
      const colon = line.indexOf(":");
      return colon < 0 ? [line, ""] : [line.slice(0, colon), line.slice(colon + 1)];
    });
  return { words: first.split(" "), rawHeaders };
}

/** The values of a field, trimmed; `name` in lower case. */
export function valuesOf({ rawHeaders }: Head, name: string): string[] {
  return rawHeaders
    .filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]!.toLowerCase() === name)
    .map((value) => value.replace(/^[\t ]+|[\t ]+$/g, ""));
}

/** Whether a list of all values has the token, in any case. */
export function lists(values: readonly string[], token: string): boolean {
  return values.some((value) => value.split(",").some((each) => each.trim().toLowerCase() === token));
}
