// Draws the report from the data embedded in the page; no request leaves it.
const MARKS = { pass: "✓", accepted: "~", fail: "✕", open: "○", skip: "–" };
const WORDS = {
  pass: "as wanted",
  accepted: "otherwise, and allowed",
  fail: "not allowed",
  open: "differs where the standard leaves room",
  skip: "cannot be asked",
};
const FIRST = 40;
const $ = (id) => document.getElementById(id);

async function read() {
  const bytes = Uint8Array.from(atob($("data").textContent), (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return JSON.parse(await new Response(stream).text());
}

function make(tag, properties = {}, ...children) {
  const { dataset, ...rest } = properties;
  const element = Object.assign(document.createElement(tag), rest);
  element.append(...children);
  return element;
}

/** A `may` case that ended otherwise than listed is no failure. */
function outcomeOf(test, run) {
  const result = run.results[test.id];
  if (result === undefined) return undefined;
  return result[0] === "fail" && test.level === "may" ? "open" : result[0];
}

function peerCard(run, index, data) {
  const counts = { pass: 0, accepted: 0, open: 0, fail: 0, skip: 0 };
  for (const test of data.cases) {
    const outcome = outcomeOf(test, run);
    if (outcome !== undefined) counts[outcome]++;
  }
  const bar = make("span", { className: "bar" });
  for (const [outcome, count] of Object.entries(counts)) {
    if (count > 0) bar.append(make("i", { className: outcome, style: `flex:${count}` }));
  }
  const numbers = make("span", { className: "counts" });
  for (const [outcome, count] of Object.entries(counts)) {
    if (count > 0)
      numbers.append(make("span", { className: outcome, title: WORDS[outcome] }, `${MARKS[outcome]} ${count}`));
  }
  const card = make(
    "button",
    { className: "peer", type: "button" },
    make("b", {}, run.name),
    " ",
    make("small", {}, `${run.version} as a ${run.role}`),
    bar,
    numbers,
  );
  card.setAttribute("aria-pressed", "false");
  card.addEventListener("click", () => {
    $("peer").value = $("peer").value === String(index) ? "" : String(index);
    if ($("peer").value !== "" && $("show").value === "differ") $("show").value = "notable";
    draw(data);
  });
  return card;
}

function wanted(test, data) {
  const { value: show } = $("show");
  const peer = $("peer").value;
  const words = $("search").value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  if ($("group").value !== "" && test.group !== $("group").value) return false;
  if ($("level").value !== "" && test.level !== $("level").value) return false;
  const text = `${test.id} ${test.title} ${test.ids.join(" ")}`.toLowerCase();
  if (!words.every((word) => text.includes(word))) return false;
  const runs = peer === "" ? data.runs : [data.runs[Number(peer)]];
  const outcomes = runs.map((run) => outcomeOf(test, run)).filter((outcome) => outcome !== undefined);
  if (outcomes.length === 0) return false;
  if (show === "fail") return outcomes.includes("fail");
  if (show === "notable") return outcomes.some((outcome) => outcome !== "pass" && outcome !== "skip");
  if (show === "differ")
    return (
      new Set(data.runs.map((run) => outcomeOf(test, run)).filter((o) => o !== undefined && o !== "skip")).size > 1
    );
  return true;
}

function row(test, runs, data) {
  const title = make("td", {}, make("span", { className: "title" }, test.title), make("code", {}, test.id));
  if (test.level === "may") title.append(make("span", { className: "may" }, "may"));
  const cells = runs.map((run) => {
    const outcome = outcomeOf(test, run);
    if (outcome === undefined) return make("td");
    const button = make(
      "button",
      { className: outcome, type: "button", title: run.results[test.id][1] },
      MARKS[outcome],
    );
    button.setAttribute("aria-label", `${run.name} as a ${run.role}: ${WORDS[outcome]}`);
    button.addEventListener("click", () => showDetail(test, run, data));
    return make("td", {}, button);
  });
  return make("tr", {}, title, ...cells);
}

function groupSection(name, about, tests, data) {
  const runs = data.runs.filter((run) => tests.some((test) => run.results[test.id] !== undefined));
  const heads = runs.map((run) => make("th", {}, run.name, make("br"), run.role));
  const body = make("tbody", {}, ...tests.slice(0, FIRST).map((test) => row(test, runs, data)));
  const table = make(
    "table",
    {},
    make("thead", {}, make("tr", {}, make("th", {}, `${tests.length} case${tests.length === 1 ? "" : "s"}`), ...heads)),
    body,
  );
  const box = make("div", { className: "scroll" }, table);
  if (tests.length > FIRST) {
    const more = make("button", { className: "more", type: "button" }, `${tests.length - FIRST} more`);
    more.addEventListener("click", () => {
      body.append(...tests.slice(FIRST).map((test) => row(test, runs, data)));
      more.remove();
    });
    box.append(more);
  }
  return make("section", { className: "group" }, make("h2", {}, name, make("small", {}, about)), box);
}

function draw(data) {
  const chosen = data.cases.filter((test) => wanted(test, data));
  const sections = Object.entries(data.groups).flatMap(([name, about]) => {
    const tests = chosen.filter(({ group }) => group === name);
    return tests.length === 0 ? [] : [groupSection(name, about, tests, data)];
  });
  $("groups").replaceChildren(
    ...(sections.length > 0 ? sections : [make("p", { className: "empty" }, "No case is like that.")]),
  );
  $("count").value = `${chosen.length} of ${data.cases.length} cases`;
  for (const [i, card] of [...$("peers").children].entries()) {
    card.setAttribute("aria-pressed", String($("peer").value === String(i)));
  }
}

function showDetail(test, run, data) {
  const runs = data.runs.filter(({ results }) => results[test.id] !== undefined);
  const trace = make("pre");
  const tabs = make("div", { className: "tabs", role: "tablist" });
  const seen = make("dd");
  const select = (chosen) => {
    const [, what, lines] = chosen.results[test.id];
    const outcome = outcomeOf(test, chosen);
    seen.replaceChildren(make("b", { className: outcome }, `${MARKS[outcome]} ${WORDS[outcome]}`), `: ${what}`);
    trace.replaceChildren(...lines.map((number) => traceLine(data.lines[number])));
    for (const [i, tab] of [...tabs.children].entries()) tab.setAttribute("aria-selected", String(runs[i] === chosen));
  };
  for (const each of runs) {
    const outcome = outcomeOf(test, each);
    const tab = make(
      "button",
      { type: "button", role: "tab" },
      make("b", { className: outcome }, MARKS[outcome]),
      ` ${each.name} ${each.role}`,
    );
    tab.addEventListener("click", () => select(each));
    tabs.append(tab);
  }
  const facts = make(
    "dl",
    {},
    make("dt", {}, "Level"),
    make("dd", {}, test.level),
    make("dt", {}, "Rules"),
    make("dd", {}, test.ids.join(", ")),
    make("dt", {}, "Wanted"),
    make("dd", {}, test.expect),
    make("dt", {}, "Seen"),
    seen,
  );
  const command = make("p", { className: "id" }, `npm run conformance -- --case ${test.id} --trace`);
  $("detail-body").replaceChildren(
    make("span", { className: "id" }, test.id),
    make("h3", { id: "detail-id" }, test.title),
    facts,
    tabs,
    trace,
    command,
  );
  select(run);
  $("detail").showModal();
}

function traceLine(line) {
  const className = line.startsWith(">") ? "to" : line.startsWith("·") ? "note" : "from";
  return make("span", { className }, `${line}\n`);
}

read().then((data) => {
  const peers = data.runs.length;
  const programs = new Set(data.runs.map(({ name }) => name)).size;
  $("lead").textContent =
    `${data.cases.length} cases over raw bytes, from RFC 6455 and RFC 7692, put to ${programs} libraries in ${peers} roles. “Must” is a requirement of the standard; “may” shows which way a library went where the standard leaves room.`;
  data.runs.forEach((run, i) => {
    $("peers").append(peerCard(run, i, data));
    $("peer").append(make("option", { value: String(i) }, `${run.name} ${run.role}`));
  });
  for (const name of Object.keys(data.groups)) $("group").append(make("option", { value: name }, name));
  for (const id of ["show", "peer", "group", "level"]) $(id).addEventListener("change", () => draw(data));
  $("search").addEventListener("input", () => draw(data));
  $("detail").addEventListener("click", (event) => event.target === $("detail") && $("detail").close());
  draw(data);
});
