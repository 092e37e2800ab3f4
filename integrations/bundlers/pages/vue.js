/** A page of Vue with the form of the guide. */
import { createApp, h, shallowRef, watch } from "vue";
import { useWebSocket as webSocketOf } from "./use-web-socket.vue.ts";

const url = shallowRef("/echo");
const app = createApp({
  setup() {
    const got = shallowRef("");
    const { state, send } = webSocketOf(url, (data) => {
      got.value = data;
    });
    watch(state, () => {
      if (state.value === "open") send(`hello ${url.value}`);
    });
    return () => h("p", `${state.value} ${got.value}`);
  },
});
app.mount(document.body);
globalThis.render = (next) => {
  url.value = next;
};
globalThis.unmount = () => app.unmount();
