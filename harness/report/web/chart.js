"use strict";
// Draws the figures of the report from their data: lines with bands, rows with bars, single runs.

const DATA = JSON.parse(document.getElementById("data").textContent);
const SHOWN = { arms: new Set(DATA.arms.keys()), env: "", score: "", runs: false };
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
  made.append(...children.filter(child => child !== null && child !== undefined));
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

function logScale(low, high, from, to) {
  const linear = scale(Math.log10(low), Math.log10(high), from, to);
  return value => linear(Math.log10(value));
}

function scale(low, high, from, to) {
  const room = high > low ? high - low : 1;
  return value => from + (value - low) / room * (to - from);
}

/** The ends of the numbers, with a little room around them. */
function ends(values, room = 0.04) {
  let low = Infinity, high = -Infinity;
  for (const value of values) if (value !== null && value !== undefined) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return [0, 1];
  const pad = (high - low || 1) * room;
  return [low - pad, high + pad];
}

const MARKS = {
  o: r => `M${-r},0a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0z`,
  s: r => `M${-r},${-r}h${2 * r}v${2 * r}h${-2 * r}z`,
  "^": r => `M0,${-r * 1.2}L${r * 1.15},${r * 0.9}L${-r * 1.15},${r * 0.9}z`,
  v: r => `M0,${r * 1.2}L${r * 1.15},${-r * 0.9}L${-r * 1.15},${-r * 0.9}z`,
  "<": r => `M${-r * 1.2},0L${r * 0.9},${r * 1.15}L${r * 0.9},${-r * 1.15}z`,
  ">": r => `M${r * 1.2},0L${-r * 0.9},${r * 1.15}L${-r * 0.9},${-r * 1.15}z`,
  D: r => `M0,${-r * 1.3}L${r * 1.3},0L0,${r * 1.3}L${-r * 1.3},0z`,
  P: r => `M${-r * 0.45},${-r * 1.2}h${r * 0.9}v${r * 0.75}h${r * 0.75}v${r * 0.9}h${-r * 0.75}v${r * 0.75}` +
    `h${-r * 0.9}v${-r * 0.75}h${-r * 0.75}v${-r * 0.9}h${r * 0.75}z`,
  X: r => `M0,${-r * 0.5}L${r * 0.6},${-r * 1.1}L${r * 1.1},${-r * 0.6}L${r * 0.5},0L${r * 1.1},${r * 0.6}` +
    `L${r * 0.6},${r * 1.1}L0,${r * 0.5}L${-r * 0.6},${r * 1.1}L${-r * 1.1},${r * 0.6}L${-r * 0.5},0` +
    `L${-r * 1.1},${-r * 0.6}L${-r * 0.6},${-r * 1.1}z`,
  "*": r => "M" + Array.from({ length: 10 }, (_, i) => [i % 2 ? 0.75 : 1.8, i * Math.PI / 5])
    .map(([far, angle]) => `${far * r * Math.sin(angle)},${-far * r * Math.cos(angle)}`).join("L") + "z",
};

const at = (x, y) => `translate(${x.toFixed(1)},${y.toFixed(1)})`;
const look = index => DATA.arms[index] ?? { name: "", colour: "#0173b2", marker: "o", dashes: [] };
const dashes = arm => arm.dashes.length ? arm.dashes.map(d => d * 2).join(" ") : null;
const group = (index, colour = look(index).colour) => make("svg:g", { class: "arm", style: `--c:${colour}` });
const mark = (index, x, y, r = 4) => make("svg:path", { class: look(index).hollow ? "mark hollow" : "mark", d: MARKS[look(index).marker](r), transform: at(x, y) });

/** A line and a mark as in the figures, for legends. */
function swatch(index) {
  const part = group(index), { marker, line = true } = look(index);
  if (line) part.append(make("svg:path", { class: "line", d: "M1,7H29", "stroke-dasharray": dashes(look(index)) }));
  if (marker) part.append(mark(index, 15, 7));
  return make("svg:svg", { width: 30, height: 14, "aria-hidden": "true" }, part);
}

function pathOf(xs, ys, step) {
  let text = "";
  for (let i = 0; i < xs.length; i++) {
    const x = xs[i].toFixed(1), y = ys[i].toFixed(1);
    text += i === 0 ? `M${x},${y}` : step ? `H${x}V${y}` : `L${x},${y}`;
  }
  return text;
}

/** Up along one edge and back along the other. */
function bandOf(xs, lows, highs, step) {
  const back = pathOf([...xs].reverse(), [...highs].reverse(), false);
  if (!step) return pathOf(xs, lows) + "L" + back.slice(1) + "z";
  let text = "";
  for (let i = xs.length - 1; i >= 0; i--) text += `${i === xs.length - 1 ? "L" : "H"}${xs[i].toFixed(1)}` +
    (i === xs.length - 1 ? `,${highs[i].toFixed(1)}` : "") + (i > 0 ? `V${highs[i - 1].toFixed(1)}` : "");
  return pathOf(xs, lows, true) + text + "z";
}

/** Frame, grid and labels of a panel; returns its layers and how it maps numbers to places.
 *  The numbers along an axis may be given, with their places: [[place, text], ...]. */
function frame(width, height, box, xEnds, yEnds, xName, label, { whole, log, xTicks, yTicks } = {}) {
  const svg = make("svg:svg", {
    viewBox: `0 0 ${width} ${height}`, height, role: "img", tabindex: 0, "aria-label": label,
  });
  const x = (log ? logScale : scale)(...xEnds, box.left, width - box.right), y = yEnds && scale(...yEnds, height - box.bottom, box.top);
  const marked = (log ? logTicks : ticks)(...xEnds, Math.max(3, Math.floor((width - box.left) / 75))).filter(value => !whole || Number.isInteger(value));
  for (const [value, text] of xTicks ?? marked.map(value => [value, short(value)])) {
    if (!y) svg.append(make("svg:line", { class: "grid", x1: x(value), x2: x(value), y1: box.top, y2: height - box.bottom }));
    svg.append(make("svg:text", { x: x(value), y: height - box.bottom + 14, "text-anchor": "middle" }, text));
  }
  for (const [value, text] of y ? yTicks ?? ticks(...yEnds, 4).map(value => [value, short(value)]) : []) {
    svg.append(make("svg:line", { class: "grid", x1: box.left, x2: width - box.right, y1: y(value), y2: y(value) }));
    svg.append(make("svg:text", { x: box.left - 6, y: y(value) + 4, "text-anchor": "end" }, text));
  }
  svg.append(make("svg:text", { x: (box.left + width - box.right) / 2, y: height - 4, "text-anchor": "middle" }, xName));
  return { svg, x, y };
}

const ANCHORS = { reference: "6 4", random: "1 3" };

// Lines -------------------------------------------------------------------------------------------

function drawLines(chart, panel, width) {
  const series = panel.series.filter(one => SHOWN.arms.has(one.arm));
  const banded = new Set(panel.series.map(one => one.arm));
  const single = chart.runs ? runsOf(panel.env).filter(run => SHOWN.runs || !banded.has(run.arm)) : [];
  const ys = [...series.flatMap(s => [...s.y, ...(s.low ?? []), ...(s.high ?? []), ...(s.lowAll ?? []), ...(s.highAll ?? [])]),
    ...series.flatMap(s => s.end ? [s.end.y, s.end.low, s.end.high] : []), ...single.flatMap(run => run.curve.y), panel.reference, panel.random, ...(panel.range ?? [])];
  const xs = [...series.flatMap(s => s.end ? [...s.x, s.end.x] : s.x), ...single.flatMap(run => run.curve.x)];
  const height = 225, box = { left: 44, right: 10, top: 20, bottom: 34 };
  const label = `${panel.title || chart.y}: ${chart.y} along ${chart.x}, ${series.length} lines. Arrow keys read the values.`;
  const xEnds = chart.log && !xs.length ? [1, 10] : ends(xs, 0);
  const { svg, x, y } = frame(width, height, box, xEnds, ends(ys), chart.x, label, { whole: chart.whole, log: chart.log });
  svg.append(make("svg:text", { x: 0, y: 10 }, chart.y));
  for (const [name, dash] of Object.entries(ANCHORS)) if (panel[name] !== undefined)
    svg.append(make("svg:line", { class: "anchor", "stroke-dasharray": dash, x1: box.left, x2: width - box.right, y1: y(panel[name]), y2: y(panel[name]) }));
  if (panel.at !== undefined)
    svg.append(make("svg:line", { class: "anchor", "stroke-dasharray": ANCHORS.random, x1: x(panel.at), x2: x(panel.at), y1: box.top, y2: height - box.bottom }));
  for (const run of single) {
    const part = group(run.arm);
    part.append(make("svg:path", { class: "run", d: pathOf(run.curve.x.map(x), run.curve.y.map(y)), "stroke-dasharray": dashes(look(run.arm)) }));
    svg.append(part);
  }
  series.forEach((one, place) => {
    const part = group(one.arm), px = one.x.map(x), dash = dashes(look(one.arm));
    if (one.low) {
      part.append(make("svg:path", { class: "band", d: bandOf(px, one.low.map(y), one.high.map(y), chart.step) }));
      for (const edge of one.lowAll ? [one.lowAll, one.highAll] : [one.low, one.high])
        part.append(make("svg:path", { class: "edge", d: pathOf(px, edge.map(y), chart.step), "stroke-dasharray": dash }));
    }
    part.append(make("svg:path", { class: "line", d: pathOf(px, one.y.map(y), chart.step), "stroke-dasharray": dash }));
    const every = Math.max(1, Math.floor(px.length / 6));
    for (let i = place % every; i < px.length; i += every) part.append(mark(one.arm, px[i], y(one.y[i]), 3.6));
    if (one.end) part.append(...endOf(one, x, y));
    svg.append(part);
  });
  const places = [...new Set(series.flatMap(one => one.end ? [...one.x, one.end.x] : one.x))].sort((a, b) => a - b);
  return { svg, marks: places.map(place => ({ x: x(place), tip: () => lineTip(chart, panel, series, place), rule: [box.top, height - box.bottom] })) };
}

/** Where the last run of an arm ended: dotted from its line, its interval, a hollow mark. */
function endOf(one, x, y) {
  const { end } = one, last = one.x.length - 1, drop = last >= 0 ? `M${x(one.x[last])},${y(one.y[last])}L${x(end.x)},${y(end.y)}` : "";
  const hollow = mark(one.arm, x(end.x), y(end.y), 4);
  hollow.classList.add("hollow");
  return [make("svg:path", { class: "end", d: drop, "stroke-dasharray": "1 3" }),
    end.low === null ? "" : make("svg:path", { class: "end", d: `M${x(end.x)},${y(end.low)}V${y(end.high)}` }), hollow];
}

function lineTip(chart, panel, series, place) {
  const rows = series.map(one => [one, valueAt(one, place)]).filter(([, found]) => found)
    .sort(([, a], [, b]) => b.y - a.y)
    .map(([one, { y, low, high, ended }]) => {
      const text = value => fixed(value, panel.decimals);
      const band = low === null || low === undefined ? "" : ` [${text(low)}, ${text(high)}]`;
      return make("tr", {}, make("td", {}, swatch(one.arm)), make("td", {}, look(one.arm).name),
        make("td", {}, text(y) + band + (ended ? " (ended)" : "")));
    });
  return [make("b", {}, `${(chart.log ? +place.toPrecision(3) : place).toLocaleString("en")} ${chart.x}`), make("table", {}, ...rows)];
}

/** The last value of a line up to a place, or its end. */
function valueAt(one, place) {
  if (one.end && place >= one.end.x) return { ...one.end, ended: true };
  const i = one.x.findLastIndex(x => x <= place);
  return i < 0 ? null : { y: one.y[i], low: one.low?.[i], high: one.high?.[i] };
}

function runsOf(env) {
  const runs = DATA.runs;
  return runs.curves.map((curve, i) => ({ curve, arm: runs.groups[runs.group[i]].arm, env: DATA.envs[runs.groups[runs.group[i]].env] }))
    .filter(run => run.curve && run.env === env && SHOWN.arms.has(run.arm));
}

// Rows --------------------------------------------------------------------------------------------

const shownRows = panel => panel.rows.filter(row => row.arm === null || SHOWN.arms.has(row.arm));
const nameRoom = (rows, width) => Math.min(width * (width < 400 ? 0.42 : 0.5), 14 + 7.1 * Math.max(4, ...rows.map(row => row.name.length)));

function rowName(name, x, y) {
  const most = Math.floor((x - 8) / 6.8), text = name.length > most ? name.slice(0, most - 1) + "…" : name;
  return make("svg:text", { class: "label", x: x - 10, y: y + 4, "text-anchor": "end" }, make("svg:title", {}, name), text);
}

function drawBars(chart, panel, width) {
  const rows = shownRows(panel), step = 26, left = nameRoom(rows, width);
  const box = { left, right: 12, top: 4, bottom: 34 }, height = box.top + rows.length * step + box.bottom;
  const numbers = rows.flatMap(row => [row.point, row.low, row.high, ...(row.seeds ?? [])]);
  const xEnds = ends([...numbers, panel.rule, ...(panel.range ?? [])]);
  const label = `${panel.title || chart.x}: ${rows.map(row => `${row.name} ${row.text}`).join("; ")}`;
  const { svg, x } = frame(width, height, box, xEnds, null, chart.x, label);
  if (panel.rule !== undefined)
    svg.append(make("svg:line", { class: "rule", "stroke-dasharray": "2 3", x1: x(panel.rule), x2: x(panel.rule), y1: box.top, y2: height - box.bottom }));
  const marks = rows.map((row, i) => {
    const y = box.top + (i + 0.5) * step, part = group(row.arm);
    svg.append(rowName(row.name, left, y), part);
    if (row.point === null) svg.append(make("svg:text", { x: left + 6, y: y + 4, "font-style": "italic" }, row.text.replace(/^- /, "")));
    else {
      if (row.low !== null) part.append(make("svg:line", { class: row.shows === "range" ? "range" : "bar", x1: x(row.low), x2: x(row.high), y1: y, y2: y }));
      for (const value of row.seeds ?? []) part.append(make("svg:line", { class: "seed", x1: x(value), x2: x(value), y1: y - 5, y2: y + 5 }));
      part.append(mark(row.arm, x(row.point), y, 4.5));
    }
    const arms = row.arm === null ? {} : { arm: row.name };
    return { x: row.point === null ? left + 40 : x(row.point), y, tip: () => [make("b", {}, row.name), row.text], href: DATA.runs ? "#runs?" + new URLSearchParams(arms) : null };
  });
  return { svg, marks, byRow: true };
}

function drawPoints(chart, panel, width) {
  const rows = shownRows(panel), step = 34, left = nameRoom(rows, width), runs = DATA.runs;
  const box = { left, right: 14, top: 4, bottom: 34 }, height = box.top + rows.length * step + box.bottom;
  const env = DATA.envs.indexOf(panel.env), of = new Map(rows.map(row => [row.arm, []]));
  runs.group.forEach((g, i) => {
    const { arm, env: where } = runs.groups[g], value = runs.scores[chart.score][i];
    if (where === env && value !== null) of.get(arm)?.push([value, i]);
  });
  const values = [...of.values()].flat().map(([value]) => value);
  const xEnds = ends([...values, panel.reference, panel.random]);
  const label = `${panel.title}: ${chart.x} of every run; IQM ${rows.map(row => `${row.name} ${row.text}`).join("; ")}. Arrow keys read the runs.`;
  const { svg, x } = frame(width, height, box, xEnds, null, chart.x, label);
  for (const [name, dash] of Object.entries(ANCHORS)) if (panel[name] !== undefined)
    svg.append(make("svg:line", { class: "anchor", "stroke-dasharray": dash, x1: x(panel[name]), x2: x(panel[name]), y1: box.top, y2: height - box.bottom }));
  const marks = [];
  rows.forEach((row, i) => {
    const y = box.top + (i + 0.5) * step, part = group(row.arm), piled = new Map();
    svg.append(rowName(row.name, left, y));
    if (row.point !== null) svg.append(make("svg:line", { class: "middle", x1: x(row.point), x2: x(row.point), y1: y - 13, y2: y + 13 }));
    const gap = row.point === null ? make("svg:text", { class: "gap", x: (left + width) / 2, y: y + 4, "text-anchor": "middle" }, row.text.replace(/^- /, "")) : "";
    const dots = of.get(row.arm).sort((a, b) => a[0] - b[0]).map(([value, run]) => {
      const bin = Math.round(x(value) / 5), pile = piled.get(bin) ?? [];
      piled.set(bin, pile);
      const dot = { x: x(value), y, tip: () => [make("b", {}, `${row.name}, seed ${runs.seed[run]}`), fixed(value, panel.decimals)], href: `#run-${runs.key[run]}` };
      pile.push(dot);
      return dot;
    });
    for (const pile of piled.values()) pile.forEach((dot, place) => {
      dot.y = y + (place - (pile.length - 1) / 2) * Math.min(4, 26 / pile.length);
    });
    for (const dot of dots) part.append(mark(row.arm, dot.x, dot.y, 3));
    svg.append(part, gap);
    marks.push(...dots);
  });
  return { svg, marks };
}

// What is common to all panels --------------------------------------------------------------------

const KINDS = { lines: drawLines, bars: drawBars, points: drawPoints };

function drawFigure(figure) {
  const chart = DATA.charts[figure.dataset.chart], plot = figure.querySelector(".plot");
  const panels = chart.panels.filter(panel => !SHOWN.env || !panel.env || panel.env === SHOWN.env);
  figure.classList.toggle("one", panels.length === 1 && !chart.wide);
  const room = plot.clientWidth, abreast = Math.max(1, Math.floor((room + GAP) / (PANEL + GAP)));
  const columns = Math.ceil(panels.length / Math.ceil(panels.length / abreast));  // rows of equal length
  const most = (room - GAP * (columns - 1)) / columns;
  plot.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
  plot.replaceChildren(...panels.map(panel => {
    const drawn = KINDS[chart.kind](chart, panel, most);
    listen(drawn);
    return make("div", { class: "panel" }, panel.title ? make("h4", {}, panel.title) : null, drawn.svg,
      panel.gaps?.length ? make("p", { class: "gaps" }, `${chart.runs ? "Run by run" : "Not drawn"}, because ${chart.lacking ?? "runs are missing"}: ${panel.gaps.join("; ")}.`) : null);
  }), chart.kind === "lines" ? legend(chart, panels) : chart.legend ? legendOf(chart.legend, chart.ramp) : "");
}

/** For paper and small screens, where the buttons that show the arms are out of sight. */
function legend(chart, panels) {
  const there = new Set(chart.runs ? DATA.arms.keys() : panels.flatMap(panel => panel.series.map(one => one.arm)));
  const names = [...there].sort((a, b) => a - b).filter(arm => SHOWN.arms.has(arm));
  return legendOf(names);
}

function legendOf(names, ramp) {
  const bar = ramp && make("span", {}, make("span", { class: "ramp", style: `background: linear-gradient(to right, ${ramp.colours.join(", ")})` }), ramp.text);
  return make("p", { class: DATA.runs ? "legend" : "legend shown", "aria-hidden": "true" }, ...names.map(arm => make("span", {}, swatch(arm), look(arm).name)), bar);
}

/** Reading a panel with the pointer, or with the arrow keys. */
function listen({ svg, marks, byRow }) {
  let here = -1, sign = null;
  const point = index => {
    if (!marks.length) return;
    here = (index + marks.length) % marks.length;
    const one = marks[here];
    sign?.remove();
    sign = one.sign ? one.sign() : one.rule
      ? make("svg:line", { class: "rule", x1: one.x, x2: one.x, y1: one.rule[0], y2: one.rule[1] })
      : make("svg:circle", { class: "hit", cx: one.x, cy: one.y, r: 7 });
    svg.append(sign);
    svg.style.cursor = one.href ? "pointer" : "crosshair";
    const box = svg.getBoundingClientRect();
    tell(one.tip(), box.left + one.x * box.width / svg.viewBox.baseVal.width, box.top + (one.y ?? 40));
  };
  /** The next mark that is of another thing: a line has many. */
  const step = by => {
    let next = here < 0 ? (by < 0 ? marks.length - 1 : 0) : here + by;
    for (let i = 0; i < marks.length && here >= 0 && marks[here].of !== undefined && marks[(next + marks.length) % marks.length].of === marks[here].of; i++) next += by;
    point(next);
  };
  const leave = () => { here = -1; sign?.remove(); TIP.hidden = true; };
  const open = () => { if (marks[here]?.href) location.hash = marks[here].href; };
  svg.addEventListener("pointermove", event => {
    const box = svg.getBoundingClientRect(), factor = svg.viewBox.baseVal.width / box.width;
    const x = (event.clientX - box.left) * factor, y = (event.clientY - box.top) * factor;
    let best = -1, least = Infinity;
    marks.forEach((one, i) => {
      const away = one.y === undefined ? Math.abs(one.x - x) : byRow ? Math.abs(one.y - y) : Math.hypot(one.x - x, one.y - y);
      if (away < least) [best, least] = [i, away];
    });
    if (best >= 0 && best !== here) point(best);
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
