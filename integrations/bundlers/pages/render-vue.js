/** Renders a component with the form of the guide, as a server does. */
import { createSSRApp, h } from "vue";
import { renderToString } from "vue/server-renderer";
import { useWebSocket as webSocketOf } from "./use-web-socket.vue.ts";

const app = createSSRApp({
  setup() {
    const { state } = webSocketOf("/echo", () => {});
    return () => h("p", state.value);
  },
});

renderToString(app).then(console.log);
