/** A page of Svelte with the form of the guide. */
import { mount, unmount } from "svelte";
import Page from "./page.svelte";

const page = mount(Page, { target: document.body });
globalThis.render = page.render;
globalThis.unmount = () => unmount(page);
