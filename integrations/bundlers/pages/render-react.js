/** Renders a component with the form of the guide, as a server does. */
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { useWebSocket } from "./use-web-socket.react.ts";

function Page() {
  return createElement("p", null, useWebSocket("/echo", () => {}).state);
}

console.log(renderToString(createElement(Page)));
