/** A page of React in StrictMode, which mounts each component twice, with the form of the guide. */

import { createElement, StrictMode, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { useWebSocket } from "./use-web-socket.react.ts";

function Page({ url }) {
  const [got, setGot] = useState("");
  const { state, send } = useWebSocket(url, setGot);
  useEffect(() => {
    globalThis.mounted = (globalThis.mounted ?? 0) + 1;
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: once each time that it opens
  useEffect(() => {
    if (state === "open") send(`hello ${url}`);
  }, [state]);
  return createElement("p", null, `${state} ${got}`);
}

const root = createRoot(document.body);
globalThis.render = (url) => root.render(createElement(StrictMode, null, createElement(Page, { url })));
globalThis.unmount = () => root.unmount();
globalThis.render("/echo");
