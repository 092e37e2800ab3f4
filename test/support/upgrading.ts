/** An HTTP server whose upgrade requests all go to one route. */
import { connectionSettings, resolveRoute } from "../../src/server/resolved-route.ts";
import type { Route } from "../../src/server/route.ts";
import type { ServerConnection } from "../../src/server/server-connection.ts";
import { upgrade } from "../../src/server/upgrade.ts";
import { httpServer } from "./http-server.ts";

/** Starts the server; `outcomes` are the results of `upgrade`, one for each request. */
export async function upgrading(route: Route = {}, closing?: AbortSignal) {
  const resolved = resolveRoute(route);
  const outcomes: Promise<ServerConnection | undefined>[] = [];
  const server = await httpServer((request, socket, head) => {
    const target = { route: resolved, settings: connectionSettings(resolved), params: { room: "1" }, closing };
    outcomes.push(Promise.resolve(upgrade({ request, socket, head }, target)));
  });
  return { ...server, outcomes };
}
