// Every run: filtered, sorted, opened.

const AT_ONCE = 50;  // rows
const RUNS = DATA.runs;
const ROWS = RUNS.key.map((key, i) => {
  const shared = RUNS.groups[RUNS.group[i]];
  return { i, key, arm: ARMS[shared.arm].name, env: DATA.envs[shared.env], shared };
});
const SCORES = Object.keys(RUNS.scores);
const COLUMNS = {
  run: row => row.key,
  arm: row => row.arm,
  environment: row => row.env,
  seed: row => RUNS.seed[row.i],
  state: row => RUNS.state[row.i],
  ...Object.fromEntries(SCORES.map(score => [score, row => RUNS.scores[score][row.i]])),
  attempts: row => RUNS.attempts[row.i],
  "wall s": row => RUNS.wall[row.i],
  "CPU s": row => RUNS.cpu[row.i],
  "peak MB": row => RUNS.memory[row.i],
};
const DECIMALS = { "wall s": 1, "CPU s": 1 };
const NOTHING = { of: null, arm: [], env: "", state: "", key: "" };  // what asks for all runs
const ASKED = { ...NOTHING, sort: "", down: false, most: AT_ONCE };

function wanted(row) {
  return (!ASKED.of || ASKED.of.has(row.i)) && (!ASKED.arm.length || ASKED.arm.includes(row.arm)) && (!ASKED.env || row.env === ASKED.env) &&
    (!ASKED.state || RUNS.state[row.i] === ASKED.state) && (!ASKED.key || row.key.startsWith(ASKED.key));
}

function drawRuns() {
  const explorer = document.querySelector("[data-explorer]"), found = ROWS.filter(wanted);
  if (ASKED.sort) found.sort((a, b) => compare(COLUMNS[ASKED.sort](a), COLUMNS[ASKED.sort](b), ASKED.down));
  explorer.querySelector("tbody").replaceChildren(...found.slice(0, ASKED.most).map(rowOf));
  explorer.querySelector(".count").textContent = `${found.length.toLocaleString("en")} of ${ROWS.length.toLocaleString("en")} runs` +
    (ASKED.of ? ": those behind the number" : ASKED.arm.length > 1 ? `: ${ASKED.arm.join(", ")}` : "");
  const rest = found.length - ASKED.most, more = explorer.querySelector(".show");
  more.hidden = rest <= 0;
  more.textContent = `Show ${Math.min(rest, 10 * AT_ONCE)} more of ${rest}`;
  for (const head of explorer.querySelectorAll("th"))
    head.setAttribute("aria-sort", head.textContent === ASKED.sort ? (ASKED.down ? "descending" : "ascending") : "none");
  for (const control of explorer.querySelectorAll(".filters [name]"))
    control.value = control.name === "arm" ? (ASKED.arm.length > 1 ? "several" : ASKED.arm[0] ?? "") : ASKED[control.name];
}

function rowOf(row) {
  const open = make("button", { type: "button", "aria-expanded": "false", on: { click: () => toggle(line, row) } }, row.key.slice(0, 8));
  const cells = Object.entries(COLUMNS).map(([name, of]) => {
    const value = of(row);
    if (name === "run") return make("td", {}, open);
    if (name === "state") return make("td", { class: `state-${value}` }, value);
    if (SCORES.includes(name)) return make("td", { class: "right" }, fixed(value, DATA.decimals[row.env]));
    return typeof value === "number" || value === null
      ? make("td", { class: "right" }, fixed(value, DECIMALS[name] ?? 0))
      : make("td", {}, value);
  });
  const line = make("tr", { id: `run-${row.key}` }, ...cells);
  return line;
}

function toggle(line, row, only = false) {
  const button = line.querySelector("button"), isOpen = line.classList.contains("open");
  if (isOpen && !only) line.nextElementSibling.remove();
  if (!isOpen) line.after(make("tr", { class: "detail" }, make("td", { colspan: line.cells.length }, detail(row))));
  line.classList.toggle("open", only || !isOpen);
  button.setAttribute("aria-expanded", String(only || !isOpen));
}

/** All that there is to know of a run, and how to make it once more. */
function detail(row) {
  const i = row.i, folder = `${RUNS.root}/${row.shared.folder}${row.key}/`;
  const link = (path, text) => make("a", { href: path }, text);
  const finished = RUNS.state[i] === "finished", error = RUNS.errors[RUNS.error[i]];
  const files = [link(folder, "folder"), link(`${folder}spec.json`, "spec.json"),
    finished ? link(`${folder}result.json`, "result.json") : null, finished ? link(`${folder}evals.jsonl`, "evals.jsonl") : null,
    error ? link(`${folder}failure.json`, "failure.json, with the traceback") : null];
  const records = RUNS.sacred[i].split(" ").filter(Boolean)
    .map(tail => link(`${RUNS.root}/sacred/${row.key}-${tail}/run.json`, `${row.key}-${tail}`));
  const spec = JSON.stringify({ ...row.shared.spec, seed: RUNS.seed[i] }, null, 1), command = row.shared.command + RUNS.seed[i];
  const listed = parts => parts.filter(Boolean).flatMap((part, k) => k ? [" · ", part] : [part]);
  return make("div", {},
    make("p", {}, make("b", {}, `${row.arm} on ${row.env}, seed ${RUNS.seed[i]}`), ` (${row.key}): ${RUNS.state[i]}, ${RUNS.attempts[i]} ${RUNS.attempts[i] === 1 ? "attempt" : "attempts"}. `,
      RUNS.repeated[i] ? `Repeated by harness verify: ${RUNS.repeated[i]}.` : ""),
    error ? make("p", { class: "state-failed" }, make("code", {}, error)) : null,
    RUNS.curves[i] ? sparkline(row) : null,
    RUNS.attempts[i] ? make("p", {}, "Files: ", ...listed(files)) : null,
    records.length ? make("p", {}, "Sacred's records: ", ...listed(records)) : null,
    make("p", {}, "To repeat it: ", copyButton(command)), make("pre", { tabindex: 0 }, command),
    make("details", {}, make("summary", {}, "Its spec"), make("pre", { tabindex: 0 }, spec)));
}

function copyButton(text) {
  const button = make("button", { type: "button", on: { click: async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } } }, "Copy");
  return button;
}

function sparkline(row) {
  const { x, y } = RUNS.curves[row.i], arm = row.shared.arm;
  const axis = (label, values, more) => ({ label, ends: [Math.min(...values), Math.max(...values) || 1], ...more });
  const panel = { x: axis("environment steps", x), y: axis("return", y, { decimals: DATA.decimals[row.env] }), marks: [{ kind: "line", look: arm, x, y }] };
  const hidden = !SHOWN.arms.has(arm);
  SHOWN.arms.add(arm);
  const drawn = drawPanel({}, panel, 420);
  if (hidden) SHOWN.arms.delete(arm);
  listen(drawn);
  drawn.svg.style.maxWidth = "420px";
  return make("div", { class: "panel" }, drawn.svg);
}

function setUp() {
  const explorer = document.querySelector("[data-explorer]");
  const ask = change => { Object.assign(ASKED, change, { most: AT_ONCE }); drawRuns(); };
  const choose = (name, title, values) => make("label", {}, title, make("select", { name, on: { change: event =>
    ask({ [name]: name === "arm" ? [event.target.value].filter(Boolean) : event.target.value }) } },
    make("option", { value: "" }, "all"), ...values.map(value => make("option", { value }, value)),
    name === "arm" ? make("option", { value: "several", hidden: true }, "several") : null));
  const head = Object.keys(COLUMNS).map(name => make("th", { scope: "col", "aria-sort": "none" }, make("button", { type: "button", on: { click: () =>
    ask({ sort: name, down: ASKED.sort === name && !ASKED.down }) } }, name)));
  explorer.append(
    make("div", { class: "filters" }, choose("arm", "Arm", ARMS.map(arm => arm.name)), choose("env", "Environment", DATA.envs),
      choose("state", "State", [...new Set(RUNS.state)]),
      make("label", {}, "Key begins with", make("input", { name: "key", size: 18, on: { input: event => ask({ key: event.target.value.trim() }) } })),
      make("button", { type: "button", on: { click: () => ask(NOTHING) } }, "All runs"),
      make("span", { class: "count", "aria-live": "polite" })),
    make("div", { class: "scroll" }, make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody"))),
    make("button", { type: "button", class: "show", on: { click: () => { ASKED.most += 10 * AT_ONCE; drawRuns(); } } }));
  drawRuns();
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
  const [name, query] = decodeURI(location.hash).split("?");
  const explorer = document.querySelector("[data-explorer]");
  if (name.startsWith("#run-")) {
    Object.assign(ASKED, NOTHING, { key: name.slice(5), most: AT_ONCE });
    drawRuns();
    const line = document.getElementById(name.slice(1));
    if (line) toggle(line, ROWS.find(row => row.key === name.slice(5)), true);
    line?.scrollIntoView({ block: "center" });
    line?.querySelector("button").focus({ preventScroll: true });
  } else if (name === "#runs" && query !== undefined) {
    const asked = new URLSearchParams(query);
    Object.assign(ASKED, NOTHING, { of: asked.has("of") ? places(asked.get("of")) : null, arm: asked.getAll("arm"), env: asked.get("env") ?? "", most: AT_ONCE });
    drawRuns();
    explorer.scrollIntoView();
    explorer.querySelector("select").focus({ preventScroll: true });
  }
}
