// What only a search's page draws: trials as points and as lines over all hyper-parameters.

const TRIAL = one => `#trial-${one}`;

function told(one) {
  return [make("b", {}, one.tip[0]), one.tip[1]];
}

/** Points, lines with bands, rules and cells over two axes; each axis has its ends, and its numbers where they are no plain ones. */
function drawScatter(chart, panel, width) {
  const { x: across, y: up } = panel, height = chart.wide ? 290 : 225;
  const left = up.ticks ? 14 + 6.5 * Math.max(...up.ticks.map(([, text]) => text.length)) : 44;
  const box = { left, right: 10, top: 20, bottom: 34 };
  const label = `${panel.title || chart.y}: ${chart.y} along ${across.name}, ${panel.points.length} points. Arrow keys read them.`;
  const { svg, x, y } = frame(width, height, box, across.ends, up.ends, across.name, label, { whole: across.whole, xTicks: fitting(across, width - left), yTicks: up.ticks });
  svg.append(make("svg:text", { x: 0, y: 10 }, up.name));
  if (panel.cells) svg.append(cellsOf(panel.cells, x, y));
  for (const rule of panel.rules ?? []) {
    const part = group(rule.look), dash = dashes(look(rule.look));
    const ends = rule.x === undefined
      ? { x1: box.left, x2: width - box.right, y1: y(rule.y), y2: y(rule.y) }
      : { x1: x(rule.x), x2: x(rule.x), y1: box.top, y2: height - box.bottom };
    part.append(make("svg:line", { class: "line", "stroke-dasharray": dash, ...ends }));
    svg.append(part);
    if (rule.text) svg.append(make("svg:text", { x: x(rule.x), y: box.top - 3, "text-anchor": "middle" }, rule.text));
  }
  const marks = [];
  for (const one of panel.lines ?? []) {
    const part = group(one.look), px = one.x.map(x), dash = dashes(look(one.look));
    if (one.low) part.append(make("svg:path", { class: "band", d: bandOf(px, one.low.map(y), one.high.map(y)) }));
    part.append(make("svg:path", { class: "line", d: pathOf(px, one.y.map(y), one.step), "stroke-dasharray": dash }));
    svg.append(part);
    (one.tips ?? []).forEach((tip, i) => marks.push({ x: px[i], y: y(one.y[i]), tip: () => told({ tip }) }));
  }
  for (const one of panel.points) {
    const part = group(one.look, one.colour), place = { x: x(one.x), y: y(one.y) };
    if (one.low !== undefined) part.append(make("svg:line", { class: "bar", x1: place.x, x2: place.x, y1: y(one.low), y2: y(one.high) }));
    part.append(mark(one.look, place.x, place.y, look(one.look).size ?? 4));
    if (one.colour) part.classList.add("coloured");
    svg.append(part);
    if (one.tip) marks.push({ ...place, tip: () => told(one), href: one.trial ? TRIAL(one.trial) : null });
  }
  return { svg, marks };
}

/** Every second of the given numbers, or third, ..., where there is no room for all. */
function fitting(axis, width) {
  if (!axis.ticks) return undefined;
  const wanted = axis.ticks.reduce((sum, [, text]) => sum + 6.2 * text.length + 6, 0);
  const every = axis.categories ? 1 : Math.ceil(wanted / width);
  return axis.ticks.filter((_, i) => i % every === 0);
}

function cellsOf({ x: xs, y: ys, colours }, x, y) {
  const part = make("svg:g", { class: "cells" });
  colours.forEach((row, j) => row.forEach((colour, i) => part.append(make("svg:rect", {
    x: x(xs[i]), y: y(ys[j + 1]), width: Math.max(0, x(xs[i + 1]) - x(xs[i]) + 0.5), height: Math.max(0, y(ys[j]) - y(ys[j + 1]) + 0.5), fill: colour,
  }))));
  return part;
}

/** An axis for each hyper-parameter, a line for each trial. */
function drawParallel(chart, panel, width) {
  const { axes, lines } = panel, room = (width - 80) / Math.max(1, axes.length - 1);
  const steep = axes.some((axis, i) => i && 3.5 * (axis.name.length + axes[i - 1].name.length) > room);  // names would touch
  const longest = 7 * Math.max(...axes.map(axis => axis.name.length));
  const bottom = steep ? 34 + 0.83 * longest : 52, height = 280 + bottom;
  const box = { left: steep ? 50 : 44, right: 30, top: 24, bottom };
  const svg = make("svg:svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", tabindex: 0,
    "aria-label": `${lines.length} trials over ${axes.map(axis => axis.name).join(", ")}. Arrow keys read them.` });
  const x = scale(0, axes.length - 1, box.left, width - box.right), y = scale(0, 1, height - box.bottom, box.top);
  const pathAt = one => {
    let text = "", pen = "M";
    one.heights.forEach((h, i) => { if (h === null) pen = "M"; else { text += `${pen}${x(i).toFixed(1)},${y(h).toFixed(1)}`; pen = "L"; } });
    return text;
  };
  axes.forEach((axis, i) => svg.append(make("svg:line", { class: "grid", x1: x(i), x2: x(i), y1: box.top, y2: height - box.bottom })));
  const marks = [];
  lines.forEach((one, of) => {
    const part = group(one.look, one.colour);
    part.append(make("svg:path", { class: one.colour ? "line thin" : "line", d: pathAt(one), "stroke-dasharray": dashes(look(one.look)) }));
    svg.append(part);
    one.heights.forEach((h, i) => { if (h !== null) marks.push({ x: x(i), y: y(h), of, tip: () => told(one), href: TRIAL(one.trial),
      sign: () => make("svg:path", { class: "hit", d: pathAt(one) }) }); });
  });
  const free = { low: -Infinity, high: -Infinity };  // right of the last text: one that would touch it is left out
  axes.forEach((axis, i) => {
    for (const [end, where] of [["high", box.top - 7], ["low", height - box.bottom + 14]]) {
      const half = 3.3 * axis[end].length;
      if (x(i) - half < free[end]) continue;
      free[end] = x(i) + half + 4;
      svg.append(make("svg:text", { class: "gap", x: x(i), y: where, "text-anchor": "middle" }, axis[end]));
    }
    const name = make("svg:text", { class: "label", "text-anchor": steep ? "end" : "middle",
      transform: steep ? `translate(${x(i) + 4},${height - box.bottom + 26}) rotate(-55)` : at(x(i), height - 14) }, axis.name);
    svg.append(name);
  });
  return { svg, marks };
}

Object.assign(KINDS, { scatter: drawScatter, parallel: drawParallel });

function setUp() {}

/** #trial-ARM-3 shows a trial's row, with its runs. */
function follow() {
  const row = location.hash.startsWith("#trial-") ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
  for (const other of document.querySelectorAll("tr.here")) other.classList.remove("here");
  if (!row) return;
  row.classList.add("here");
  row.scrollIntoView({ block: "center" });
  row.querySelector("summary")?.focus({ preventScroll: true });
}
