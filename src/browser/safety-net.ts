/**
 * What a bundler for browsers finds under `openline` instead of the entry for Node: all that pages have, and in place of
 * everything else a function that says what to import.
 */

export * from "./index.ts";

function inNodeOnly(name: string): () => never {
  // A function, since some of them are called with `new`.
  return function nodeOnly() {
    throw new Error(
      `Cannot use ${name} in a page or worker: it is for Node. From "openline/browser", import connect, reconnecting or ReconnectingWebSocket`,
    );
  };
}

export const accept: () => never = /* @__PURE__ */ inNodeOnly("accept");
export const CloseEvent: () => never = /* @__PURE__ */ inNodeOnly("CloseEvent");
export const closedWith: () => never = /* @__PURE__ */ inNodeOnly("closedWith");
export const cookiesOf: () => never = /* @__PURE__ */ inNodeOnly("cookiesOf");
export const isWebSocketUpgrade: () => never = /* @__PURE__ */ inNodeOnly("isWebSocketUpgrade");
export const PreparedMessage: () => never = /* @__PURE__ */ inNodeOnly("PreparedMessage");
export const ProtocolError: () => never = /* @__PURE__ */ inNodeOnly("ProtocolError");
export const prometheusText: () => never = /* @__PURE__ */ inNodeOnly("prometheusText");
export const refuse: () => never = /* @__PURE__ */ inNodeOnly("refuse");
export const route: () => never = /* @__PURE__ */ inNodeOnly("route");
export const serve: () => never = /* @__PURE__ */ inNodeOnly("serve");
export const subprotocolsOf: () => never = /* @__PURE__ */ inNodeOnly("subprotocolsOf");
export const Topics: () => never = /* @__PURE__ */ inNodeOnly("Topics");
export const WebSocket: () => never = /* @__PURE__ */ inNodeOnly("WebSocket");
export const WebSocketError: () => never = /* @__PURE__ */ inNodeOnly("WebSocketError");
export const WebSocketStream: () => never = /* @__PURE__ */ inNodeOnly("WebSocketStream");
