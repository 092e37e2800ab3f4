/**
 * Light and dark: the system's choice until the reader makes another, which is then remembered.
 * `theme.js` in the document's head applies a remembered choice before the first paint.
 */
import { useEffect, useState } from "preact/hooks";

/** The two faces of the page. */
export type Theme = "light" | "dark";

const system = matchMedia("(prefers-color-scheme: dark)");
const CHANGED = "themechange";

/** The theme that is showing now. */
export function currentTheme(): Theme {
  const chosen = document.documentElement.dataset.theme;
  return chosen === "light" || chosen === "dark" ? chosen : system.matches ? "dark" : "light";
}

/** Shows `theme` from now on, and remembers it where storage is allowed. */
export function chooseTheme(theme: Theme): void {
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // Storage may be forbidden; the choice then lasts as long as the page.
  }
  document.dispatchEvent(new Event(CHANGED));
}

/** The theme, kept current in a component. */
export function useTheme(): Theme {
  const [theme, setTheme] = useState(currentTheme);
  useEffect(() => {
    const update = (): void => setTheme(currentTheme());
    document.addEventListener(CHANGED, update);
    system.addEventListener("change", update);
    return () => {
      document.removeEventListener(CHANGED, update);
      system.removeEventListener("change", update);
    };
  }, []);
  return theme;
}
