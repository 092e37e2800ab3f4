/**
 * All pages that are made from the code: `npm run fix` writes them, and `npm test` and the gate `pages`, with `--check`, fail
 * when one is stale or what it is made from has a gap.
 */
import { fileURLToPath } from "node:url";
import { architecturePage } from "./architecture.ts";
import { faultsPage } from "./check-faults.ts";
import { rulesPage } from "./check-normative.ts";
import { parityPage } from "./check-parity.ts";
import { type GeneratedPage, settleAsAsked } from "./generated-page.ts";
import { referencePages } from "./print-reference.ts";
import { runtimesPage } from "./runtimes-page.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Every page, of what is committed. */
export function allPages(): GeneratedPage[] {
  return [rulesPage(), faultsPage(), parityPage(), ...referencePages(), architecturePage(root), runtimesPage()];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) settleAsAsked(root, ...allPages());
