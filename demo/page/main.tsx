/**
 * The page's entry: its styles and the shell with the views.
 */
import { render } from "preact";
import "./base.css";
import "./parts/parts.css";
import "./echo/echo.css";
import "./push/push.css";
import "./polling/polling.css";
import "./chat/chat.css";
import "./slow/slow.css";
import "./drain/drain.css";
import { App } from "./app.tsx";

render(<App />, document.getElementById("app")!);
