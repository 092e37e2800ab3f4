/**
 * The subprotocol of a handshake: the application's own, and the resume protocol around it where both ends speak that.
 */

import { ownSubprotocol, resumedSubprotocol } from "../../resume/resume-subprotocol.ts";

/** What a route says of subprotocols. */
export interface SubprotocolRoute {
  /** Those that the route lists. */
  readonly subprotocols: readonly string[];
  /** Whether the resume protocol is spoken with clients that offer it. */
  readonly resumes: boolean;
}

/** The subprotocols that a client offers to the application. */
export function offeredTo(route: Pick<SubprotocolRoute, "resumes">, offered: readonly string[]): readonly string[] {
  if (!route.resumes || offered.length === 0) return offered;
  return [...new Set(offered.map((name) => ownSubprotocol(name) ?? name))].filter((name) => name !== "");
}

/**
 * Chooses the application's subprotocol, and its name on the wire, another one where the resume protocol is spoken. Throws a
 * TypeError for one that was `decided` and is not offered.
 */
export function chooseSubprotocol(
  offered: readonly string[],
  route: SubprotocolRoute,
  decided: string | undefined,
): { readonly subprotocol: string | undefined; readonly name: string | undefined } {
  const own = offeredTo(route, offered);
  if (decided !== undefined && !own.includes(decided)) {
    throw new TypeError(`Cannot choose the subprotocol "${decided}": the client did not offer it`);
  }
  const subprotocol = decided ?? own.find((name) => route.subprotocols.includes(name));
  const resumed = resumedSubprotocol(subprotocol);
  return { subprotocol, name: route.resumes && offered.includes(resumed) ? resumed : subprotocol };
}
