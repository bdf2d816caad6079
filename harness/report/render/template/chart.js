"use strict";
// Draws the figures of the page from their plots: what they show is said in harness/report/plot.py.

const DATA = JSON.parse(document.getElementById("data").textContent);
const ARMS = DATA.looks.slice(0, DATA.arms);
const SHOWN = { arms: new Set(ARMS.keys()), env: "", score: "", runs: false };
const TIP = document.getElementById("tip");
const PANEL = 250, GAP = 20;  // pixels that a panel wants to be wide, and between two of them

/** An element: in the SVG namespace if its name begins with "svg:". */
function make(name, attributes = {}, ...children) {
  const svg = name.startsWith("svg:");
  const made = svg
    ? document.createElementNS("http://www.w3.org/2000/svg", name.slice(4))
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "on") for (const [event, act] of Object.entries(value)) made.addEventListener(event, act);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value);
  }
  made.append(...children.filter(Boolean));
  return made;
}

/** As Python writes it: of two texts equally near the even one, and no negative zero. */
function fixed(value, decimals) {
  if (value === null || value === undefined) return "-";
  const scaled = value * 10 ** decimals;
  const tie = Number.isInteger(value * 2 ** (decimals + 1)) && Math.abs(scaled % 1) === 0.5;
  const even = tie ? 2 * Math.round(scaled / 2) / 10 ** decimals : value;
  return even.toFixed(decimals).replace(/^-(?=0(\.0*)?$)/, "");
}

function short(value) {
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]])
    if (Math.abs(value) >= size) return `${+(value / size).toPrecision(6)}${unit}`;
  return `${+value.toPrecision(6)}`;
}

/** About `count` round numbers between two ends. */
function ticks(low, high, count) {
  const rough = (high - low || 1) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 2.5, 5, 10].find(factor => factor * power >= rough * 0.999);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) found.push(i * step);
  return found;
}

/** About `count` numbers over powers of ten. */
function logTicks(low, high, count) {
  const decades = Math.log10(high / low), found = [];
  const factors = decades <= 0.7 ? [1, 1.5, 2, 3, 5, 7] : decades <= 1.5 ? [1, 2, 5] : decades <= 0.7 * count ? [1, 3] : [1];
  const every = factors.length > 1 ? 1 : Math.ceil(decades / count);
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += every)
    found.push(...factors.map(factor => +(factor * 10 ** power).toPrecision(6)));
  return found.filter(value => value >= low && value <= high);
}

/** How an axis maps its numbers to places; what is no number has none. */
function scaleOf({ log }, [low, high], from, to) {
  const of = log ? Math.log10 : value => value, room = of(high) - of(low) || 1;
  return value => value === null ? null : from + (of(value) - of(low)) / room * (to - from);
}

/** The ends of an axis: its own, or those of what is left where something is hidden. */
function endsOf(axis, values) {
  const kept = values.concat(axis.include ?? []).filter(value => value !== null && value !== undefined && (value > 0 || !axis.log));
  if (axis.limits || axis.names || !kept.length || (SHOWN.arms.size === DATA.arms && !SHOWN.runs)) return axis.ends;
  const low = kept.reduce((a, b) => Math.min(a, b)), high = kept.reduce((a, b) => Math.max(a, b));
  const pad = Math.max((high - low) * 0.04, ((axis.least ?? 0) - (high - low)) / 2) || Math.abs(high) / 2 || 1;
  return axis.log ? [low / 1.1, high * 1.1] : [low - pad, high + pad];
}

/** Corners as a path around 0 at a radius of r, turned by so many eighths of a circle. */
const shape = (corners, eighths = 0) => r => {
  const cos = r * Math.cos(eighths * Math.PI / 4), sin = r * Math.sin(eighths * Math.PI / 4);
  return "M" + corners.map(([x, y]) => `${x * cos - y * sin},${x * sin + y * cos}`).join("L") + "z";
};
const TRIANGLE = [[0, -1.2], [1.15, 0.9], [-1.15, 0.9]], SQUARE = [[-0.95, -0.95], [0.95, -0.95], [0.95, 0.95], [-0.95, 0.95]];
const PLUS = [[-0.4, -1.2], [0.4, -1.2], [0.4, -0.4], [1.2, -0.4], [1.2, 0.4], [0.4, 0.4], [0.4, 1.2], [-0.4, 1.2], [-0.4, 0.4], [-1.2, 0.4], [-1.2, -0.4], [-0.4, -0.4]];
const STAR = Array.from({ length: 10 }, (_, i) => [i % 2 ? 0.75 : 1.8, i * Math.PI / 5]).map(([far, angle]) => [far * Math.sin(angle), -far * Math.cos(angle)]);
const MARKS = {
  o: r => `M${-r},0a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0z`,
  s: shape(SQUARE), D: shape(SQUARE, 1),
  "^": shape(TRIANGLE), ">": shape(TRIANGLE, 2), v: shape(TRIANGLE, 4), "<": shape(TRIANGLE, 6),
  P: shape(PLUS), X: shape(PLUS, 1), x: r => MARKS.X(0.8 * r),
  "|": r => `M-1,${-r}H1V${r}H-1z`,
  "*": shape(STAR),
};

const at = (x, y) => `translate(${x.toFixed(1)},${y.toFixed(1)})`;
const look = index => DATA.looks[index];
const dashes = index => look(index).dashes.length ? look(index).dashes.map(d => d * 2).join(" ") : null;
const group = (one, colour = look(one.look).colour) => make("svg:g", { class: one.recedes ? "arm recedes" : "arm", style: `--c:${colour}` });
const mark = (index, x, y, r = 4) => make("svg:path", { class: look(index).hollow ? "mark hollow" : "mark", d: MARKS[look(index).marker || "o"](r), transform: at(x, y) });
const isShown = one => one.look === undefined || one.look >= DATA.arms || SHOWN.arms.has(one.look);

/** A line and a mark as in the figures, for legends. */
function swatch(index) {
  const part = group({ look: index }), { marker, line } = look(index);
  if (line) part.append(make("svg:path", { class: "line", d: "M1,7H29", "stroke-dasharray": dashes(index) }));
  if (marker) part.append(mark(index, 15, 7));
  return make("svg:svg", { width: 30, height: 14, "aria-hidden": "true" }, part);
}

/** A line from place to place, broken where there is none. */
function pathOf(xs, ys) {
  let pen = "M";
  return xs.map((x, i) => {
    const part = ys[i] === null ? "" : `${pen}${x.toFixed(1)},${ys[i].toFixed(1)}`;
    pen = part ? "L" : "M";
    return part;
  }).join("");
}

/** The corners of steps: a value holds until the next. */
const xOfSteps = xs => xs.flatMap((x, i) => i ? [x, x] : [x]), yOfSteps = ys => ys.flatMap((y, i) => i ? [ys[i - 1], y] : [y]);

/** Up along one edge and back along the other. */
const bandOf = (xs, lows, highs) => pathOf([...xs, ...xs.toReversed()], [...lows, ...highs.toReversed()]) + "z";

// A panel of two axes ------------------------------------------------------------------------------

/** Its marks that are shown; in rows with names, those of hidden arms are gone with their rows. */
function shownIn(plot, panel) {
  const marks = panel.marks.filter(isShown), names = panel.y.names;
  if (plot.runs && SHOWN.runs) {
    const whole = new Set(marks.filter(one => one.kind === "line" && !one.thin).map(one => one.look));
    marks.push(...runsOf(panel.env).filter(run => whole.has(run.look)));
  }
  if (!names) return { marks };
  const rowOf = one => Math.round([one.y].flat()[0]), hidden = new Set(panel.marks.filter(one => !isShown(one)).map(rowOf));
  const rows = [...names.keys()].filter(row => !hidden.has(row));
  return { marks: marks.filter(one => one.kind === "rule" || !hidden.has(rowOf(one))), rows };
}

function runsOf(env) {
  return DATA.runs.map(run => [run.curve, DATA.groups[run.group]]).filter(([curve, shared]) => curve && shared.env === env)
    .map(([curve, shared]) => ({ kind: "line", thin: true, ...curve, look: shared.arm }));
}

function drawPanel(plot, panel, width) {
  const { marks, rows } = shownIn(plot, panel), across = Boolean(rows);
  const many = marks.some(one => one.kind === "points" && one.x.length > 1), row = many ? 34 : 26;
  const steep = namesTouch(panel.x, width), letters = Math.max(0, ...(steep ? panel.x.names : []).map(name => name.length));
  const box = { left: leftOf(panel, rows, width), right: 12, top: across ? 4 : 20, bottom: 34 + 5 * letters };
  const height = across ? box.top + rows.length * row + box.bottom : (plot.wide ? 290 : 225) + 5 * letters;
  const along = (one, key) => [one, one.end ?? {}].flatMap(part => [part[key], ...(across === (key === "x") ? [part.low, part.high, part.low_all, part.high_all] : [])]).flat();
  const xEnds = endsOf(panel.x, marks.flatMap(one => along(one, "x"))), yEnds = endsOf(panel.y, marks.flatMap(one => along(one, "y")));
  const x = scaleOf(panel.x, xEnds, box.left, width - box.right);
  const y = across ? value => box.top + (rows.indexOf(Math.round(value)) + 0.5 + value - Math.round(value)) * row
    : scaleOf(panel.y, yEnds, height - box.bottom, box.top);
  const svg = make("svg:svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", tabindex: 0, "aria-label": labelOf(panel, marks) });
  drawAxes(svg, panel, { x, y, xEnds, yEnds, box, width, height, rows, steep });
  const around = { x, y, box, width, height, across, free: {} };
  const hits = marks.flatMap((one, place) => DRAWN[one.kind](svg, one, { ...around, place }) ?? []);
  const lines = marks.filter(one => one.kind === "line" && !one.thin);
  return { svg, marks: hits.length ? hits : byPlace(panel, lines, x, box, height), byRow: across && !many };
}

function labelOf(panel, marks) {
  const texts = marks.flatMap(one => one.kind === "points" && one.x.length === 1 && one.names ? [`${one.names[0]} ${one.texts[0]}`] : one.kind === "note" ? [one.text] : []);
  const what = panel.y.names ? panel.x.label : `${panel.y.label} along ${panel.x.label || panel.x.names.join(", ")}`;
  return `${panel.title ? `${panel.title}: ` : ""}${what}. ${texts.slice(0, 20).join("; ")} Arrow keys read the values.`;
}

/** Whether there is no room for names side by side. */
const namesTouch = ({ names = [], ends }, width) => names.some((name, i) => i && 3.5 * (name.length + names[i - 1].length) > (width - 56) / (ends[1] - ends[0]));

function leftOf(panel, rows, width) {
  const names = rows ? rows.map(row => panel.y.names[row]) : panel.y.ticks?.map(([, text]) => text);
  if (rows) return Math.min(width * (width < 400 ? 0.42 : 0.5), 14 + 7.1 * Math.max(4, ...names.map(name => name.length)));
  return names ? 14 + 6.5 * Math.max(...names.map(name => name.length)) : 44;
}

/** Grid, numbers and labels. */
function drawAxes(svg, panel, { x, y, xEnds, yEnds, box, width, height, rows, steep }) {
  const below = height - box.bottom, middle = (box.left + width - box.right) / 2;
  const line = (x1, x2, y1, y2) => svg.append(make("svg:line", { class: "grid", x1, x2, y1, y2 }));
  const text = (x, y, anchor, words, more) => svg.append(make("svg:text", { x, y, "text-anchor": anchor, ...more }, words));
  for (const [value, words] of panel.x.names?.map((name, i) => [i, name]) ?? numbersOf(panel.x, xEnds, width - box.left)) {
    if (rows) line(x(value), x(value), box.top, below);
    if (steep) text(0, 0, "end", words, { transform: `translate(${x(value) + 4},${below + 14}) rotate(-55)` });
    else text(x(value), below + 14, "middle", words);
  }
  if (rows) rows.forEach(row => svg.append(rowName(panel.y.names[row], box.left, y(row))));
  else if (!panel.y.hidden) for (const [value, words] of numbersOf(panel.y, yEnds, 300)) {
    line(box.left, width - box.right, y(value), y(value));
    text(box.left - 6, y(value) + 4, "end", words);
  }
  text(middle, height - 4, "middle", panel.x.label);
  if (!rows && !panel.y.hidden) text(0, 10, "start", panel.y.label);
}

/** The numbers along an axis: the given ones, every second or third where there is no room, or round ones. */
function numbersOf(axis, ends, room) {
  if (axis.ticks) {
    const every = Math.ceil(axis.ticks.reduce((sum, [, text]) => sum + 6.2 * text.length + 6, 0) / room);
    return axis.ticks.filter((_, i) => i % every === 0);
  }
  const found = (axis.log ? logTicks : ticks)(...ends, Math.max(3, Math.floor(room / 75)));
  return found.filter(value => !axis.whole || Number.isInteger(value)).map(value => [value, short(value)]);
}

function rowName(name, x, y) {
  const most = Math.floor((x - 8) / 6.8), text = name.length > most ? name.slice(0, most - 1) + "…" : name;
  return make("svg:text", { class: "label", x: x - 10, y: y + 4, "text-anchor": "end" }, make("svg:title", {}, name), text);
}

/** Each draws one mark, and returns what can be read of it with the pointer. */
const DRAWN = {
  rule(svg, one, { x, y, box, width, height }) {
    const part = group(one), d = one.x === undefined ? `M${box.left},${y(one.y)}H${width - box.right}` : `M${x(one.x)},${box.top}V${height - box.bottom}`;
    part.append(make("svg:path", { class: "anchor", d, "stroke-dasharray": dashes(one.look) }));
    svg.append(part, one.text ? make("svg:text", { x: x(one.x), y: box.top - 3, "text-anchor": "middle" }, one.text) : "");
  },
  note(svg, one, { x, y, box, width, free }) {
    const middle = one.x === undefined ? (box.left + width) / 2 : x(one.x), half = 3.3 * one.text.length;
    if (middle - half < free[one.y]) return;  // it would touch the one before
    free[one.y] = middle + half + 4;
    svg.append(make("svg:text", { class: "gap", x: middle, y: y(one.y) + 4, "text-anchor": "middle" }, one.text));
  },
  cells(svg, one, { x, y }) {
    const part = make("svg:g", { class: "cells" });
    one.values.forEach((row, j) => row.forEach((colour, i) => part.append(make("svg:rect", {
      x: x(one.x[i]), y: y(one.y[j + 1]), width: Math.max(0, x(one.x[i + 1]) - x(one.x[i]) + 0.5), height: Math.max(0, y(one.y[j]) - y(one.y[j + 1]) + 0.5), fill: colour,
    }))));
    svg.append(part);
  },
  line(svg, one, { x, y, place }) {
    const part = group(one, one.shade), px = one.x.map(x), py = one.y.map(y);
    const [along, heights] = one.step ? [xOfSteps(px), values => yOfSteps(values.map(y))] : [px, values => values.map(y)];
    const whole = pathOf(along, heights(one.y));
    const path = (name, d, more) => part.append(make("svg:path", { class: name, d, "stroke-dasharray": dashes(one.look), ...more }));
    svg.append(part);
    if (one.low) {
      path("band", bandOf(along, heights(one.low), heights(one.high)));
      for (const edge of one.low_all ? [one.low_all, one.high_all] : [one.low, one.high]) path("edge", pathOf(along, heights(edge)));
    }
    if (one.beneath) path("beneath", whole, { "stroke-dasharray": null, style: `stroke-width: ${2 + 3 * Math.min(one.beneath, 3)}` });
    path(one.thin ? "run" : one.shade ? "line thin" : "line", whole);
    const every = Math.max(1, Math.floor(px.length / 6));
    if (look(one.look).marker && !one.thin)
      for (let i = place % every; i < px.length; i += every) part.append(mark(one.look, px[i], py[i], 3.6));
    if (one.end) part.append(...endOf(one, x, y));
    if (one.text) {
      const tip = () => tipOf(one.name, one.text), sign = () => make("svg:path", { class: "hit", d: whole });
      return px.map((x, i) => ({ x, y: py[i], of: place, href: one.link, sign, tip })).filter(hit => hit.y !== null);
    }
    return one.texts?.map((text, i) => ({ x: px[i], y: py[i], tip: () => tipOf(look(one.look).name, text) }));
  },
  points(svg, one, { x, y, across }) {
    return one.x.map((value, i) => {
      const part = group(one, one.shades?.[i]), here = { x: x(value), y: y(one.y[i]) };
      const place = end => across ? [x(end), here.y] : [here.x, y(end)];
      if (one.low && one.low[i] !== null)
        part.append(make("svg:path", { class: one.ranged ? "range" : "bar", d: `M${place(one.low[i])}L${place(one.high[i])}` }));
      part.append(mark(one.look, here.x, here.y, one.size * ({ "|": 1, "*": 0.65 }[look(one.look).marker] ?? 1.1)));
      if (one.shades) part.classList.add("coloured");
      svg.append(part);
      const href = one.links?.[i] || (across && DATA.runs ? "#runs?" + new URLSearchParams(one.look < DATA.arms ? { arm: look(one.look).name } : {}) : null);
      return { ...here, href, tip: () => tipOf(one.names[i], one.texts[i]), silent: !one.names };
    }).filter(hit => !hit.silent);
  },
};

const tipOf = (name, text) => [make("b", {}, name), text];

/** Where the last run of an arm ended: dotted from its line, its interval, a hollow mark. */
function endOf(one, x, y) {
  const { end } = one, last = one.x.length - 1, drop = last >= 0 ? `M${x(one.x[last])},${y(one.y[last])}L${x(end.x)},${y(end.y)}` : "";
  const hollow = mark(one.look, x(end.x), y(end.y), 4);
  hollow.classList.add("hollow");
  return [make("svg:path", { class: "end", d: drop, "stroke-dasharray": "1 3" }),
    end.low === null ? "" : make("svg:path", { class: "end", d: `M${x(end.x)},${y(end.low)}V${y(end.high)}` }), hollow];
}

/** Lines are read place by place, all of them together. */
function byPlace(panel, lines, x, box, height) {
  const places = [...new Set(lines.flatMap(one => one.end ? [...one.x, one.end.x] : one.x))].sort((a, b) => a - b);
  return places.map(place => ({ x: x(place), tip: () => lineTip(panel, lines, place), rule: [box.top, height - box.bottom] }));
}

function lineTip(panel, lines, place) {
  const text = value => panel.y.decimals === undefined ? short(+value.toPrecision(3)) : fixed(value, panel.y.decimals);
  const rows = lines.map(one => [one, valueAt(one, place)]).filter(([, found]) => found)
    .sort(([, a], [, b]) => b.y - a.y)
    .map(([one, { y, low, high, ended }]) => {
      const band = low === null || low === undefined ? "" : ` [${text(low)}, ${text(high)}]`;
      return make("tr", {}, make("td", {}, swatch(one.look)), make("td", {}, look(one.look).name),
        make("td", {}, text(y) + band + (ended ? " (ended)" : "")));
    });
  return [make("b", {}, `${(panel.x.log ? +place.toPrecision(3) : place).toLocaleString("en")} ${panel.x.label}`), make("table", {}, ...rows)];
}

/** The last value of a line up to a place, or its end. */
function valueAt(one, place) {
  if (one.end && place >= one.end.x) return { ...one.end, ended: true };
  const i = one.x.findLastIndex(x => x <= place);
  return i < 0 ? null : { y: one.y[i], low: one.low?.[i], high: one.high?.[i] };
}

// What is common to all panels --------------------------------------------------------------------

function drawFigure(figure) {
  const plot = DATA.plots[figure.dataset.plot], place = figure.querySelector(".plot");
  const panels = plot.panels.filter(panel => !SHOWN.env || !panel.env || panel.env === SHOWN.env);
  figure.classList.toggle("one", panels.length === 1 && !plot.wide);
  const room = place.clientWidth, abreast = Math.max(1, Math.floor((room + GAP) / (PANEL + GAP)));
  const columns = Math.ceil(panels.length / Math.ceil(panels.length / abreast));  // rows of equal length
  const most = (room - GAP * (columns - 1)) / columns;
  place.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
  place.replaceChildren(...panels.map(panel => {
    const drawn = drawPanel(plot, panel, most);
    listen(drawn);
    return make("div", { class: "panel" }, panel.title ? make("h4", {}, panel.title) : null, drawn.svg,
      panel.gaps?.length ? make("p", { class: "gaps" }, `${panel.gaps.join("; ")}.`) : null);
  }), ...legend(plot));
}

/** The arms for paper and small screens, where the buttons that show them are out of sight; the rest always. */
function legend(plot) {
  const bar = plot.ramp && make("span", {}, make("span", { class: "ramp", style: `background: linear-gradient(to right, ${plot.ramp.colours.join(", ")})` }), plot.ramp.text);
  const spans = names => names.map(index => make("span", {}, swatch(index), look(index).name));
  const arms = plot.legend.filter(index => index < DATA.arms && SHOWN.arms.has(index)), rest = plot.legend.filter(index => index >= DATA.arms);
  return [make("p", { class: "legend", "aria-hidden": "true" }, ...spans(arms)),
    make("p", { class: "legend shown" }, make("span", {}, `n = ${plot.n}`), ...spans(rest), bar)];
}

/** Reading a panel with the pointer, or with the arrow keys. */
function listen({ svg, marks, byRow }) {
  const stops = marks.filter((one, i) => one.of === undefined || one.of !== marks[i - 1]?.of);  // of a line one is enough
  let here, sign;
  const point = one => {
    if (!one || one === here) return;
    here = one;
    sign?.remove();
    sign = one.sign ? one.sign() : one.rule
      ? make("svg:line", { class: "rule", x1: one.x, x2: one.x, y1: one.rule[0], y2: one.rule[1] })
      : make("svg:circle", { class: "hit", cx: one.x, cy: one.y, r: 7 });
    svg.append(sign);
    svg.style.cursor = one.href ? "pointer" : "crosshair";
    const box = svg.getBoundingClientRect();
    tell(one.tip(), box.left + one.x * box.width / svg.viewBox.baseVal.width, box.top + (one.y ?? 40));
  };
  const step = by => {
    const place = stops.findIndex(one => one === here || (one.of !== undefined && one.of === here?.of));
    point(stops.at(place < 0 && by < 0 ? -1 : (place + by) % stops.length));
  };
  const leave = () => { here = undefined; sign?.remove(); TIP.hidden = true; };
  const open = () => { if (here?.href) location.hash = here.href; };
  svg.addEventListener("pointermove", event => {
    const box = svg.getBoundingClientRect(), factor = svg.viewBox.baseVal.width / box.width;
    const x = (event.clientX - box.left) * factor, y = (event.clientY - box.top) * factor;
    const away = one => one.y === undefined ? Math.abs(one.x - x) : byRow ? Math.abs(one.y - y) : Math.hypot(one.x - x, one.y - y);
    point(marks.reduce((a, b) => away(b) < away(a) ? b : a, marks[0]));
  });
  svg.addEventListener("pointerleave", leave);
  svg.addEventListener("blur", leave);
  svg.addEventListener("click", open);
  svg.addEventListener("keydown", event => {
    const moves = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    if (event.key in moves) { event.preventDefault(); step(moves[event.key]); }
    if (event.key === "Enter") open();
    if (event.key === "Escape") leave();
  });
}

function tell(content, x, y) {
  TIP.replaceChildren(...content);
  TIP.hidden = false;
  const box = TIP.getBoundingClientRect(), left = x + 14 + box.width < innerWidth ? x + 14 : x - 14 - box.width;
  TIP.style.left = `${Math.max(4, left)}px`;
  TIP.style.top = `${Math.max(4, Math.min(y - box.height / 2, innerHeight - box.height - 4))}px`;
}
