// @ts-check
/** Rooms: a connection joins as many as it likes, each is a topic, and all that are in one know who else is. */
import { readFileSync } from "node:fs";
import { CloseCode, route, serve } from "openline";
import { Presence } from "./presence.js";

/** @typedef {import("openline").ServerConnection<{ name: string, rooms: Set<string> }>} Client */

const page = readFileSync(new URL("page.html", import.meta.url));
const presence = new Presence();
const maxTopics = 20;

/** @param {string} room @param {string} from @param {string} text */
function tell(room, from, text) {
  server.publish(`room ${room}`, JSON.stringify({ room, from, text, present: presence.in(room) }));
}

/** @param {Client} client @param {string} room */
function leave(client, room) {
  client.data.rooms.delete(room);
  client.unsubscribe(`room ${room}`);
  presence.remove(room, client.data.name);
  tell(room, client.data.name, "has left");
}

const server = await serve({
  port: Number(process.env.PORT ?? 9998),
  host: "127.0.0.1",
  hosts: ["localhost", "127.0.0.1"],
  request: (_, response) => response.setHeader("Content-Type", "text/html").end(page),
  limits: { maxMessageSize: 4096, maxTopics },
  routes: {
    "/as/:name": route({
      accepts: "text",
      upgrade: ({ params }) => ({ data: { name: [...params.name].slice(0, 20).join(""), rooms: new Set() } }),
      message: (client, data) => {
        const { name, rooms } = client.data;
        const [, verb, room = "", text = ""] = /^(join|leave|say) ([\w-]{1,20})(?: (.*))?$/s.exec(data) ?? [];
        if (verb === "leave" && rooms.has(room)) leave(client, room);
        else if (verb === "say" && rooms.has(room)) tell(room, name, text);
        else if (verb === "join" && rooms.size === maxTopics) {
          client.close(CloseCode.PolicyViolation, `No more than ${maxTopics} rooms at once`);
        } else if (verb === "join" && !rooms.has(room)) {
          client.subscribe(`room ${room}`);
          rooms.add(room);
          presence.add(room, name);
          tell(room, name, "came in");
        } else {
          client.close(CloseCode.PolicyViolation, "This is no command, or none for that room now");
        }
      },
      close: (client) => {
        for (const room of client.data.rooms) leave(client, room);
      },
    }),
  },
});

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close());
console.log(`Open http://localhost:${server.port} in two windows. Ctrl-C ends the server.`);
