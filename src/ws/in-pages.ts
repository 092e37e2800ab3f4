/**
 * What a bundler for browsers finds under `openline/ws`, as under `ws`: functions that say where it works. Packages that
 * name `ws` for Node, and take the browser's own WebSocket in pages, can so be bundled.
 */

function inNodeOnly(): never {
  throw new Error(
    "ws does not work in the browser. Browser clients must use the native WebSocket object, or connect of openline/browser",
  );
}

export {
  inNodeOnly as createWebSocketStream,
  inNodeOnly as default,
  inNodeOnly as extension,
  inNodeOnly as PerMessageDeflate,
  inNodeOnly as Receiver,
  inNodeOnly as Sender,
  inNodeOnly as subprotocol,
  inNodeOnly as WebSocket,
  inNodeOnly as WebSocketServer,
};
