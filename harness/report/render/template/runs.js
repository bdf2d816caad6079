// Every run: filtered, sorted, opened.

const AT_ONCE = 50;  // rows
const ROWS = DATA.runs.map((run, place) => ({ ...run, ...DATA.groups[run.group], place }));
const COLUMNS = {
  run: row => row.key,
  arm: row => ARMS[row.arm].name,
  environment: row => row.env,
  seed: row => row.seed,
  state: row => row.state,
  ...Object.fromEntries(DATA.scores.map(score => [score, row => row.scores[score] ?? null])),
  attempts: row => row.attempts,
  "wall s": row => row.wall,
  "CPU s": row => row.cpu,
  "peak MB": row => row.memory,
};
const DECIMALS = { "wall s": 1, "CPU s": 1 };
const CHOICES = ["arm", "environment", "state"];  // columns that a menu filters by
const NOTHING = { of: null, key: "", arm: "", environment: "", state: "" };  // what asks for all runs
const ASKED = { ...NOTHING, sort: "", down: false, most: AT_ONCE };
const EXPLORER = document.querySelector("[data-explorer]");

/** Show the runs that are asked for. */
function ask(change) {
  Object.assign(ASKED, { most: AT_ONCE }, change);
  const found = ROWS.filter(row => (!ASKED.of || ASKED.of.has(row.place)) && row.key.startsWith(ASKED.key) &&
    CHOICES.every(name => !ASKED[name] || ASKED[name] === COLUMNS[name](row)));
  if (ASKED.sort) found.sort((a, b) => compare(COLUMNS[ASKED.sort](a), COLUMNS[ASKED.sort](b), ASKED.down));
  EXPLORER.querySelector("tbody").replaceChildren(...found.slice(0, ASKED.most).map(lineOf));
  EXPLORER.querySelector(".count").textContent = `${found.length.toLocaleString("en")} of ${ROWS.length.toLocaleString("en")} runs` +
    (ASKED.of ? ": those behind the number" : "");
  const rest = found.length - ASKED.most, more = EXPLORER.querySelector(".show");
  more.hidden = rest <= 0;
  more.textContent = `Show ${Math.min(rest, 10 * AT_ONCE)} more of ${rest}`;
  for (const control of EXPLORER.querySelectorAll(".filters [name]")) control.value = ASKED[control.name];
}

function lineOf(row) {
  const open = make("button", { type: "button", "aria-expanded": "false", on: { click: () => toggle(line, row) } }, row.key.slice(0, 8));
  const line = make("tr", { id: `run-${row.key}` }, ...Object.entries(COLUMNS).map(([name, of]) => {
    const value = of(row);
    if (name === "run") return make("td", {}, open);
    if (typeof value === "string") return make("td", { class: name === "state" && `state-${value}` }, value);
    return make("td", { class: "right" }, fixed(value, name in row.scores ? (DATA.own[name] ?? DATA.decimals)[row.env] : DECIMALS[name] ?? 0));
  }));
  return line;
}

function toggle(line, row) {
  const isOpen = line.classList.toggle("open");
  if (isOpen) line.after(make("tr", { class: "detail" }, make("td", { colspan: line.cells.length }, detail(row))));
  else line.nextElementSibling.remove();
  line.querySelector("button").setAttribute("aria-expanded", String(isOpen));
}

/** All that there is to know of a run, and how to make it once more. */
function detail(row) {
  const folder = `${DATA.root}/${row.folder}${row.key}/`, command = row.command + row.seed;
  const link = (path, text) => make("a", { href: path }, text);
  const list = (name, links) => links.length && make("p", {}, `${name}: `, ...links.flatMap((each, i) => i ? [" · ", each] : [each]));
  const names = ["finished", "imported"].includes(row.state) ? ["spec.json", "result.json", "evals.jsonl"] : ["spec.json"];
  const files = [link(folder, "folder"), ...names.map(name => link(folder + name, name))];
  if (row.error) files.push(link(`${folder}failure.json`, "failure.json, with the traceback"));
  const copy = make("button", { type: "button", on: { click: async () => {
    await navigator.clipboard.writeText(command);
    copy.textContent = "Copied";
  } } }, "Copy");
  return make("div", {},
    make("p", {}, make("b", {}, `${ARMS[row.arm].name} on ${row.env}, seed ${row.seed}`), ` (${row.key}): ${row.state}${row.command ? `, ${row.attempts} ${row.attempts === 1 ? "attempt" : "attempts"}` : ""}. `,
      row.repeated && `Repeated by harness verify: ${row.repeated}.`),
    row.error && make("p", { class: "state-failed" }, make("code", {}, row.error)),
    row.curve && sparkline(row),
    row.training && scalars(row),
    (row.attempts || !row.command) && list("Files", files),
    list("Sacred's records", row.sacred.map(tail => link(`${DATA.root}/sacred/${row.key}-${tail}/run.json`, `${row.key}-${tail}`))),
    ...(row.command ? [make("p", {}, "To repeat it: ", copy), make("pre", { tabindex: 0 }, command)]
      : [make("p", {}, "It was not made here, and cannot be repeated.")]),
    make("details", {}, make("summary", {}, "Its spec"), make("pre", { tabindex: 0 }, JSON.stringify({ ...row.spec, seed: row.seed }, null, 1))));
}

function sparkline({ arm, env, curve }) {
  return alone(arm, curve, { label: DATA.steps }, { label: "return", decimals: DATA.decimals[env] }, 420);
}

/** All that training logged, a small panel each. */
function scalars({ arm, training }) {
  const curves = training.flatMap(({ x, y, rows }) => Object.entries(y).map(([name, values]) => [name, { x, y: values }, rows ? "rows logged" : "environment steps"]));
  const panels = curves.sort(([a], [b]) => a.localeCompare(b)).map(([name, curve, label]) => {
    const made = alone(arm, curve, { label }, { label: "" }, 260);
    made.prepend(make("h4", {}, name));
    return made;
  });
  return make("details", { open: true }, make("summary", {}, "What its training logged"), make("div", { class: "scalars" }, ...panels));
}

/** The panel of one line. */
function alone(arm, curve, x, y, width) {
  const ends = values => {
    const known = values.filter(value => value !== null), low = Math.min(...known), high = Math.max(...known);
    if (!known.length) return [0, 1];
    return low < high ? [low, high] : [low - (Math.abs(low) / 20 || 1), high + (Math.abs(high) / 20 || 1)];
  };
  const panel = { x: { ...x, ends: ends(curve.x) }, y: { ...y, ends: ends(curve.y) }, marks: [{ kind: "line", look: arm, ...curve }] };
  const shown = SHOWN.arms;
  SHOWN.arms = new Set([arm]);
  const drawn = drawPanel({}, panel, width);
  SHOWN.arms = shown;
  listen(drawn);
  drawn.svg.style.maxWidth = `${width}px`;
  return make("div", { class: "panel" }, drawn.svg);
}

function setUpRuns() {
  const menu = name => make("label", {}, name[0].toUpperCase() + name.slice(1), make("select", { name, on: { change: event => ask({ [name]: event.target.value }) } },
    make("option", { value: "" }, "all"), ...[...new Set(ROWS.map(COLUMNS[name]))].map(value => make("option", { value }, value))));
  const names = Object.keys(COLUMNS), heads = names.map(name => make("th", { scope: "col" }, name));
  sortable(heads, (column, down) => ask({ sort: names[column], down }));
  EXPLORER.append(
    make("div", { class: "filters" }, ...CHOICES.map(menu),
      make("label", {}, "Key begins with", make("input", { name: "key", size: 18, on: { input: event => ask({ key: event.target.value.trim() }) } })),
      make("button", { type: "button", on: { click: () => ask(NOTHING) } }, "All runs"),
      make("span", { class: "count", "aria-live": "polite" })),
    make("div", { class: "scroll" }, make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody"))),
    make("button", { type: "button", class: "show", on: { click: () => ask({ most: ASKED.most + 10 * AT_ONCE }) } }));
  ask(NOTHING);
}

/** `0-9,12` as the set of these numbers. */
function places(text) {
  return new Set(text.split(",").flatMap(part => {
    const [first, last = first] = part.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  }));
}

/** #run-KEY opens a run; #runs?of=0-9,12 lists those behind a number, #runs?arm=... those of an arm. */
function follow() {
  const [name, query] = decodeURI(location.hash).split("?"), asked = new URLSearchParams(query);
  if (name.startsWith("#run-")) {
    ask({ ...NOTHING, key: name.slice(5) });
    const line = document.getElementById(name.slice(1));
    if (line) toggle(line, ROWS.find(row => row.key === ASKED.key));
    line?.scrollIntoView({ block: "center" });
    line?.querySelector("button").focus({ preventScroll: true });
  } else if (name === "#runs" && query !== undefined) {
    ask({ ...NOTHING, of: asked.has("of") ? places(asked.get("of")) : null, arm: asked.get("arm") ?? "" });
    EXPLORER.scrollIntoView();
    EXPLORER.querySelector("select").focus({ preventScroll: true });
  }
}

setUpRuns();
follow();
addEventListener("hashchange", follow);
