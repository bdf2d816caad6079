// Choices that hold for the whole page, tables that sort, light and dark.

const PRESSED = new Map();  // by button: whether it is pressed now

function redraw() {
  PRESSED.forEach((isPressed, button) => button.setAttribute("aria-pressed", String(isPressed())));
  for (const part of document.querySelectorAll("[data-score]"))
    part.hidden = Boolean(SHOWN.score) && part.dataset.score !== SHOWN.score;
  for (const part of document.querySelectorAll("figure[data-env]"))
    part.hidden = Boolean(SHOWN.env) && part.dataset.env !== SHOWN.env;
  for (const figure of document.querySelectorAll("figure[data-plot]"))
    if (!figure.hidden) drawFigure(figure);
}

function setUpTools() {
  const tools = document.querySelector("[data-tools]");
  if (!tools) return;
  const choose = change => () => { Object.assign(SHOWN, change()); redraw(); };
  const button = (attributes, isPressed, change, ...children) => {
    const made = make("button", { type: "button", ...attributes, on: { click: choose(change) } }, ...children);
    PRESSED.set(made, isPressed);
    return made;
  };
  const arms = ARMS.map((arm, index) => button(
    { title: "Show or hide; double click: this one alone" }, () => SHOWN.arms.has(index),
    () => ({ arms: SHOWN.arms.symmetricDifference(new Set([index])) }), swatch(index), arm.name));
  arms.forEach((made, index) => made.addEventListener("dblclick", choose(() => ({ arms: new Set([index]) }))));
  const all = button({}, () => SHOWN.arms.size === DATA.arms, () => ({ arms: new Set(ARMS.keys()) }), "all");
  const scores = [...new Set([...document.querySelectorAll("[data-score]")].map(one => one.dataset.score))];
  const choices = ["", ...scores].map(score => button({ class: "choice" }, () => SHOWN.score === score, () => ({ score }), score || "all"));
  const envs = make("select", { "aria-label": "Environment", on: { change: event => choose(() => ({ env: event.target.value }))() } },
    ...["", ...DATA.envs].map(env => make("option", { value: env }, env || "all")));
  const runs = button({ class: "choice" }, () => SHOWN.runs, () => ({ runs: !SHOWN.runs }), "single runs");
  const part = (name, ...children) => tools.append(make("div", { role: "group", "aria-label": name }, make("span", { class: "name" }, name), ...children));
  part("Arms", ...arms, all);
  if (scores.length > 1) part("Score", ...choices);
  if (DATA.envs.length > 1) part("Environment", envs);
  if (DATA.runs.some(run => run.curve)) part("Curves", runs);
}

/** The number that a cell begins with; else its words. */
function keyOf(cell) {
  const text = cell?.textContent.trim() ?? "", number = text.match(/^-?[\d,]*\.?\d+(e[+-]?\d+)?/i);
  if (text === "" || /^-( |$)/.test(text)) return null;
  return number ? Number(number[0].replaceAll(",", "")) : text;
}

/** Numbers by size, words by letters, what is missing last. */
function compare(a, b, down) {
  if (a === null || b === null) return (a === null) - (b === null);
  const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  return down ? -order : order;
}

/** Heads that sort when they are pressed: `sort` hears which column, and whether it goes down. */
function sortable(heads, sort) {
  heads.forEach((head, column) => {
    head.setAttribute("aria-sort", "none");
    head.replaceChildren(make("button", { type: "button", on: { click: () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach(other => other.setAttribute("aria-sort", other === head ? (down ? "descending" : "ascending") : "none"));
      sort(column, down);
    } } }, ...head.childNodes));
  });
}

/** Its last rows, which are of another kind, stay where they are. */
function setUpTable({ tHead, tBodies: [body] }) {
  const last = row => row.classList.contains("last");
  sortable([...tHead.rows[0].cells], (column, down) => body.append(...[...body.rows].sort((a, b) =>
    last(a) - last(b) || (last(a) ? 0 : compare(keyOf(a.cells[column]), keyOf(b.cells[column]), down)))));
}

function setUpTheme() {
  const button = document.getElementById("theme"), root = document.documentElement;
  const dark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const name = () => { button.textContent = dark() ? "Light" : "Dark"; };
  button.hidden = false;
  button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; name(); });
  name();
}

setUpTheme();
setUpTools();
document.querySelectorAll("table.sortable").forEach(setUpTable);
redraw();
let width = innerWidth;
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; redraw(); } });
addEventListener("beforeprint", () => { TIP.hidden = true; });
