/** Routes that answer at once, and one question to a server each. */
import { route } from "../../src/server/route.ts";
import { exchange, openRaw, parseResponse, type RawRequest, requestText } from "./raw-peer.ts";

/** A route that sends each message back. */
export const echo = route({ message: (connection, data) => void connection.send(data) });

/** A route that sends one text to each client. */
export const says = (text: string) => route({ open: (connection) => void connection.send(text) });

/** The response to one request on a connection of its own. */
export async function answer(port: number, request: RawRequest): Promise<ReturnType<typeof parseResponse>> {
  return parseResponse(await exchange(port, requestText(request)));
}

/** The first message on a connection to a path; undefined when the connection ends without one. */
export async function said(port: number, path: string): Promise<string | undefined> {
  const peer = await openRaw(port, { path });
  return (await peer.nextFrame())?.payload.toString();
}
