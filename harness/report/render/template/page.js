// Choices that hold for the whole page, tables that sort, light and dark.

function redraw() {
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
  const part = (name, ...children) => make("div", { role: "group", "aria-label": name }, make("span", { class: "name" }, name), ...children);
  const arms = ARMS.map((arm, index) => make("button", { type: "button", "aria-pressed": "true", title: "Show or hide; double click: this one alone", on: {
    click: () => { SHOWN.arms.has(index) ? SHOWN.arms.delete(index) : SHOWN.arms.add(index); press(); },
    dblclick: () => { SHOWN.arms = new Set([index]); press(); },
  } }, swatch(index), arm.name));
  const everyArm = make("button", { type: "button", on: { click: () => { SHOWN.arms = new Set(ARMS.keys()); press(); } } }, "all");
  const press = () => {
    arms.forEach((button, index) => button.setAttribute("aria-pressed", String(SHOWN.arms.has(index))));
    redraw();
  };
  const scores = [...new Set([...document.querySelectorAll("[data-score]")].map(one => one.dataset.score))];
  const choices = ["", ...scores].map(score => make("button", { type: "button", class: "choice", "aria-pressed": String(!score), on: { click: () => {
    SHOWN.score = score;
    choices.forEach((button, place) => button.setAttribute("aria-pressed", String(["", ...scores][place] === score)));
    redraw();
  } } }, score || "all"));
  const envs = make("select", { "aria-label": "Environment", on: { change: event => { SHOWN.env = event.target.value; redraw(); } } },
    make("option", { value: "" }, "all"), ...DATA.envs.map(env => make("option", { value: env }, env)));
  const runs = make("button", { type: "button", class: "choice", "aria-pressed": "false", on: { click: () => {
    SHOWN.runs = !SHOWN.runs;
    runs.setAttribute("aria-pressed", String(SHOWN.runs));
    redraw();
  } } }, "single runs");
  tools.append(part("Arms", ...arms, everyArm));
  if (scores.length > 1) tools.append(part("Score", ...choices));
  if (DATA.envs.length > 1) tools.append(part("Environment", envs));
  if (DATA.runs.curves.length) tools.append(part("Curves", runs));
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

function setUpTable(table) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.setAttribute("aria-sort", "none");
    head.replaceChildren(make("button", { type: "button", on: { click: () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach(other => other.setAttribute("aria-sort", other === head ? (down ? "descending" : "ascending") : "none"));
      const rows = [...body.rows].sort((a, b) => a.classList.contains("last") - b.classList.contains("last") ||
        (a.classList.contains("last") ? 0 : compare(keyOf(a.cells[column]), keyOf(b.cells[column]), down)));
      body.append(...rows);
    } } }, ...head.childNodes));
  });
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
setUp();
document.querySelectorAll("table.sortable").forEach(setUpTable);
redraw();
follow();
addEventListener("hashchange", follow);
let width = innerWidth;
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; redraw(); } });
addEventListener("beforeprint", () => { TIP.hidden = true; });
