/** graphql-ws: queries, subscriptions and their ends, by the client and by the server. */
import { deepStrictEqual, strictEqual } from "node:assert";
import { once } from "node:events";
import { GraphQLObjectType, GraphQLSchema, GraphQLString } from "graphql";
import { createClient } from "graphql-ws";
import { useServer } from "graphql-ws/use/ws";
import { done, texts, WebSocket } from "./kit.mjs";

async function* greetings() {
  for (const text of texts) yield { greetings: text };
}
const schema = new GraphQLSchema({
  query: new GraphQLObjectType({
    name: "Query",
    fields: { echo: { type: GraphQLString, args: { text: { type: GraphQLString } }, resolve: (_, { text }) => text } },
  }),
  subscription: new GraphQLObjectType({
    name: "Subscription",
    fields: { greetings: { type: GraphQLString, subscribe: greetings } },
  }),
});

const server = new WebSocket.WebSocketServer({ port: 0, host: "127.0.0.1", path: "/graphql" });
await once(server, "listening");
const closes = [];
const served = useServer({ schema, onDisconnect: (_, code) => closes.push(code) }, server);
const url = `ws://127.0.0.1:${server.address().port}/graphql`;
const client = createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0 });

const collect = async (request) => {
  const results = [];
  for await (const { data } of client.iterate(request)) results.push(Object.values(data)[0]);
  return results;
};
for (const text of texts) {
  deepStrictEqual(await collect({ query: "query ($text: String) { echo(text: $text) }", variables: { text } }), [text]);
}
deepStrictEqual(await collect({ query: "subscription { greetings }" }), texts);
await client.dispose();

const stranger = new WebSocket(url, "another");
strictEqual((await once(stranger, "error"))[0].message, "Server sent no subprotocol");
await served.dispose();
strictEqual(closes.includes(1000), true);
done();
