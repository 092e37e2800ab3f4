/**
 * The page's entry: its styles and the shell with the four views.
 */
import { render } from "preact";
import "./base.css";
import "./views.css";
import { App } from "./app.tsx";

render(<App />, document.getElementById("app")!);
