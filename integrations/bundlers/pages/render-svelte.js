/** Renders a component with the form of the guide, as a server does. */
import { render } from "svelte/server";
import Page from "./page.svelte";

console.log(render(Page).body);
