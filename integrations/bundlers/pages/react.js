/** A page of React in StrictMode, which mounts each component twice. */

import { ReconnectingWebSocket } from "openline/browser";
import { createElement, StrictMode, useEffect, useRef, useState } from "react";
import { createRoot } from "react-dom/client";

function useWebSocket(url, onMessage) {
  const [socket, setSocket] = useState();
  const [state, setState] = useState("connecting");
  const latest = useRef(onMessage);
  useEffect(() => {
    latest.current = onMessage;
  });
  useEffect(() => {
    globalThis.mounted = (globalThis.mounted ?? 0) + 1;
    const own = new ReconnectingWebSocket(url);
    own.onmessage = (event) => latest.current(event.data);
    own.onstatechange = () => setState(own.state);
    setSocket(own);
    setState(own.state);
    return () => {
      own.onstatechange = null;
      own.close();
    };
  }, [url]);
  return { state, send: (data) => socket?.send(data) ?? false };
}

function Page() {
  const [got, setGot] = useState("");
  const { state, send } = useWebSocket("/echo", setGot);
  // biome-ignore lint/correctness/useExhaustiveDependencies: once each time that it opens
  useEffect(() => {
    if (state === "open") send("hello");
  }, [state]);
  return createElement("p", null, `${state} ${got}`);
}

createRoot(document.body).render(createElement(StrictMode, null, createElement(Page)));
