"use strict";

const facts = JSON.parse(document.getElementById("facts").textContent);
const names = new Map(facts.parameters.map((parameter) => [parameter.path, parameter.name]));
const scored = facts.configurations.filter((one) => one.so_far !== null);
const best = facts.configurations.find((one) => one.rank === 1);
// Okabe and Ito's colours, which the colour-blind tell apart; shapes tell the same.
const FATES = ["complete", "dropped", "pruned", "failed", "open"];
// On a dark page the two blues change places with lighter ones.
const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
const COLOURS = [isDark ? "#56b4e9" : "#0072b2", "#e69f00", "#8c8c8c", "#d55e00", isDark ? "#cc79a7" : "#56b4e9"];
const SYMBOLS = ["circle", "triangle", "times", "diamond", "square"];
const percent = (rate) => (rate === null || rate === undefined ? "" : (100 * rate).toFixed(1).replace(/^-(0\.0)$/, "$1"));
// Numbers of configurations and epochs are whole.
const whole = (numbers, width) => ({
  tickFormat: "d", ticks: d3.ticks(d3.min(numbers) ?? 0, d3.max(numbers) ?? 1, width / 70).filter(Number.isInteger),
});

// Colours and shapes of the fates that a figure shows; its legend has both.
function byFate(shown) {
  const present = FATES.map((fate, at) => [fate, COLOURS[at], SYMBOLS[at]]).filter(([fate]) => shown.includes(fate));
  const [domain, colours, symbols] = [0, 1, 2].map((part) => present.map((one) => one[part]));
  return { color: { domain, range: colours }, symbol: { domain, range: symbols, legend: true } };
}

const fatesOf = (configurations) => configurations.map((one) => one.fate);
const ring = (where) => Plot.dot(best === undefined ? [] : [best], { ...where, r: 8, stroke: "currentColor", strokeWidth: 1.5 });
const decade = (value) => (/^[125](\.0*)?e/.test(value.toExponential()) ? d3.format("~g")(value) : "");

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

function section(id, title) {
  const made = element("section", { id }, element("h2", {}, title));
  if (facts.findings[id]) made.append(element("p", { class: "finding" }, facts.findings[id]));
  // A notebook shows one part alone; the others are drawn into nothing.
  if (!facts.only || facts.only === id) document.querySelector("main").append(made);
  return made;
}

// A drawing is made anew when the width of the page changes.
function drawing(parent, name, draw, rows) {
  const place = element("div", { class: "drawing" });
  let width = 0;
  const redraw = () => {
    const now = Math.round(Math.min(parent.clientWidth || Math.min(640, document.documentElement.clientWidth), 1000));
    if (now === width) return;
    width = now;
    place.replaceChildren(draw(width));
  };
  parent.append(place, tools(place, name, rows));
  redraw();
  new ResizeObserver(() => requestAnimationFrame(redraw)).observe(parent);
  return place;
}

function tools(place, name, rows) {
  return element(
    "div",
    { class: "tools" },
    element("button", { onclick: () => save(new Blob([svgText(place)], { type: "image/svg+xml" }), `${name}.svg`) }, "SVG"),
    element("button", { onclick: () => savePng(place, name) }, "PNG"),
    element("button", { onclick: () => save(new Blob([csv(rows)], { type: "text/csv" }), `${name}.csv`) }, "CSV"),
  );
}

function save(blob, name) {
  const url = URL.createObjectURL(blob);
  element("a", { href: url, download: `${facts.study.name}-${name}` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

// A drawing for papers: black on white, whatever the page looks like.
function svgText(place) {
  const svg = [...place.querySelectorAll("svg")].sort((a, b) => b.clientWidth - a.clientWidth)[0].cloneNode(true);
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  svg.setAttribute("style", "color: #000; background: #fff; font: 11px sans-serif");
  return new XMLSerializer().serializeToString(svg);
}

function savePng(place, name) {
  const text = svgText(place);
  const shown = [...place.querySelectorAll("svg")].sort((a, b) => b.clientWidth - a.clientWidth)[0];
  const image = new Image();
  image.onload = () => {
    const canvas = element("canvas", { width: 3 * shown.clientWidth, height: 3 * shown.clientHeight });
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => save(blob, `${name}.png`));
  };
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
}

function csv(rows) {
  // What a spreadsheet would run as a formula is text.
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return [columns, ...rows.map((row) => columns.map((column) => row[column]))].map((row) => row.map(cell).join(",")).join("\n");
}

const flat = (one) => ({
  number: one.number, rank: one.rank, tied: one.tied, state: one.state, score: one.so_far, sd: one.sd,
  sensitivity: one.means.sensitivity, specificity: one.means.specificity,
  ...(typeof one.sharpness === "number" ? { sharpness: one.sharpness } : {}), seeds: one.seeds.length, ...one.values,
});

function told(one) {
  const values = Object.entries(one.values).map(([path, value]) => `${names.get(path)} ${value}`);
  const spread = one.sd === null ? "" : ` ± ${percent(one.sd)}`;
  return [`no. ${one.number}: ${percent(one.so_far)}${spread} %, ${one.state}`, ...values].join("\n");
}

function drawHistory(width) {
  let highest = -Infinity;
  const order = d3.sort(scored, (one) => one.number);
  const steps = order.map((one) => ({ number: one.number, highest: (highest = Math.max(highest, one.so_far)) }));
  return Plot.plot({
    ...byFate(fatesOf(order)), width, height: 300, marginLeft: 50, inset: 8, grid: true,
    x: { ...whole(order.map((one) => one.number), width), label: "configuration, in the order tried" }, y: { label: `${facts.study.score} %` },
    marks: [
      Plot.line(steps, { x: "number", y: (step) => 100 * step.highest, curve: "step-after", strokeOpacity: 0.5 }),
      Plot.ruleX(order.filter((one) => one.sd !== null), {
        x: "number", y1: (one) => 100 * (one.so_far - one.sd), y2: (one) => 100 * (one.so_far + one.sd), stroke: "fate",
      }),
      Plot.dot(order, {
        x: "number", y: (one) => 100 * one.so_far, stroke: "fate", symbol: "fate", r: 4, title: told, tip: true,
      }),
      ring({ x: "number", y: (one) => 100 * one.so_far }),
    ],
  });
}

function drawSlice(parameter, width) {
  const having = scored.filter((one) => parameter.path in one.values);
  const x = (one) => one.values[parameter.path];
  const seeds = having.flatMap((one) => one.seeds.map((seed) => ({ ...one, score: seed[facts.study.metric] })));
  const kinds = { log: { type: "log", tickFormat: decade }, linear: { type: "linear" }, choice: { type: "point", domain: parameter.choices } };
  return Plot.plot({
    color: byFate(fatesOf(scored)).color, symbol: { ...byFate(fatesOf(scored)).symbol, legend: false },
    width, height: 220, marginLeft: 46, inset: 8, grid: true,
    x: { ...kinds[parameter.kind], label: parameter.name }, y: { label: "%" },
    marks: [
      Plot.dot(seeds, { x, y: (one) => 100 * one.score, fill: "fate", fillOpacity: 0.35, r: 2.5 }),
      Plot.dot(having, { x, y: (one) => 100 * one.so_far, stroke: "fate", symbol: "fate", r: 4, title: told, tip: true }),
      ...(best !== undefined && parameter.path in best.values ? [ring({ x, y: (one) => 100 * one.so_far })] : []),
    ],
  });
}

function drawImportance(width) {
  const shares = facts.importance.shares;
  return Plot.plot({
    width, height: 40 + 34 * shares.length, marginLeft: 130,
    x: { label: "share of what fields tell, %", grid: true, domain: [0, 100] },
    y: { label: null, domain: shares.map((one) => names.get(one.path)) },
    marks: [
      Plot.barX(shares, { x: (one) => 100 * one.share, y: (one) => names.get(one.path), fill: COLOURS[0] }),
      Plot.ruleY(shares, {
        y: (one) => names.get(one.path), x1: (one) => 100 * one.interval[0], x2: (one) => 100 * one.interval[1], strokeWidth: 2,
      }),
    ],
  });
}

// Configurations that lie in every brushed range; the table shows the same.
const ranges = new Map();
const listeners = [];
const isKept = (one) =>
  [...ranges].every(([path, inside]) => {
    const value = path === "" ? one.so_far : one.values[path];
    return value !== undefined && inside(value);
  });

function drawParallel(width) {
  ranges.clear();
  const axes = [...facts.parameters, { path: "", name: "score %", kind: "linear" }];
  const height = 320, top = 30, bottom = height - 20;
  const position = d3.scalePoint(axes.map((axis) => axis.path), [60, width - 60]);
  const values = (axis) => scored.map((one) => (axis.path === "" ? one.so_far : one.values[axis.path]));
  const scales = new Map(axes.map((axis) => {
    if (axis.kind === "choice") return [axis.path, d3.scalePoint(axis.choices, [bottom, top]).padding(0.2)];
    const make = axis.kind === "log" ? d3.scaleLog : d3.scaleLinear;
    return [axis.path, make(axis.path === "" ? d3.extent(values(axis)) : [axis.low, axis.high], [bottom, top])];
  }));
  const colour = d3.scaleSequential(d3.extent(scored, (one) => one.so_far), d3.interpolateCividis);
  const svg = d3.create("svg").attr("viewBox", [0, 0, width, height]).attr("width", width).attr("height", height)
    .attr("font-size", 11).attr("role", "img").attr("aria-label", "parallel coordinates of all configurations");
  // A line has a gap where a condition leaves a field out.
  const line = d3.line().defined((point) => point !== null);
  const points = (one) => axes.map((axis) => {
    const value = axis.path === "" ? one.so_far : one.values[axis.path];
    return value === undefined ? null : [position(axis.path), scales.get(axis.path)(value)];
  });
  const lines = svg.append("g").attr("fill", "none").selectAll("path").data(d3.sort(scored, (one) => one.so_far)).join("path")
    .attr("d", (one) => line(points(one))).attr("stroke", (one) => colour(one.so_far)).attr("stroke-width", 1.6);
  lines.append("title").text(told);
  const show = () => lines.attr("stroke-opacity", (one) => (isKept(one) ? 0.9 : 0.06));
  for (const axis of axes) {
    const scale = scales.get(axis.path);
    const place = svg.append("g").attr("transform", `translate(${position(axis.path)},0)`);
    const ticks = axis.path === "" ? d3.axisRight(scale).tickFormat((rate) => (100 * rate).toFixed(1)) : d3.axisLeft(scale);
    place.call(axis.kind === "choice" ? ticks : ticks.ticks(5, axis.kind === "log" ? "~g" : undefined));
    // Labels are read over the lines that cross them.
    place.selectAll(".tick text").attr("paint-order", "stroke").attr("stroke", "var(--paper)").attr("stroke-width", 4).attr("stroke-linejoin", "round");
    place.append("text").attr("y", 14).attr("text-anchor", "middle").attr("fill", "currentColor").text(axis.name);
    const brush = d3.brushY().extent([[-12, top], [12, bottom]]).on("brush end", ({ selection }) => {
      if (selection === null) ranges.delete(axis.path);
      else ranges.set(axis.path, (value) => selection[0] <= scale(value) && scale(value) <= selection[1]);
      listeners.forEach((listener) => listener());
    });
    place.append("g").attr("class", "brush").call(brush);
  }
  listeners.length = 1;
  listeners.push(show);
  listeners.forEach((listener) => listener());
  return svg.node();
}

function configurationTable(parent) {
  const isMeasured = facts.configurations.some((one) => typeof one.sharpness === "number");
  const columns = [
    ["rank", (one) => one.rank, (one) => `${one.rank ?? ""}${one.tied ? "=" : ""}`],
    ["no.", (one) => one.number],
    ["score %", (one) => one.so_far, (one) => percent(one.so_far) + (one.sd === null ? "" : ` ± ${percent(one.sd)}`)],
    ["95 %, seeds", (one) => one.interval?.[0] ?? null, (one) => (one.interval ? one.interval.map(percent).join(" to ") : "")],
    ["SE %", (one) => one.means.sensitivity, (one) => percent(one.means.sensitivity)],
    ["SP %", (one) => one.means.specificity, (one) => percent(one.means.specificity)],
    ...(isMeasured ? [["sharpness", (one) => one.sharpness]] : []),
    ["seeds", (one) => one.seeds.length],
    ...facts.parameters.map((parameter) => [parameter.name, (one) => one.values[parameter.path] ?? null]),
    ["state", (one) => one.state],
  ];
  const body = element("tbody");
  let order = facts.configurations, sorted = null;
  const fill = () => body.replaceChildren(...order.filter(isKept).map((one) =>
    element("tr", { class: one === best ? "best" : null }, ...columns.map(([, value, text]) =>
      element("td", { class: typeof value(one) === "number" ? "number" : null }, String((text ?? value)(one) ?? ""))))));
  const sort = (value) => {
    const ascending = sorted === value;
    sorted = ascending ? null : value;
    order = facts.configurations.toSorted((a, b) => (ascending ? d3.ascending : d3.descending)(value(a), value(b)));
    fill();
  };
  const head = element("tr", {}, ...columns.map(([name, value]) =>
    element("th", { scope: "col" }, element("button", { title: "sort", onclick: () => sort(value) }, name))));
  parent.append(element("div", { class: "table" }, element("table", {}, element("thead", {}, head), body)));
  listeners[0] = fill;
  fill();
}

function drawCurves(width) {
  const rows = facts.curves.flatMap((curve) => curve.scores.map((score, epoch) => ({ ...curve, epoch: epoch + 1, score })));
  const isBest = (row) => best !== undefined && row.configuration === best.number;
  const unit = (row) => `${row.configuration}/${row.seed}`;
  const line = { x: "epoch", y: (row) => 100 * row.score, z: unit };
  return Plot.plot({
    width, height: 300, marginLeft: 50, inset: 8, grid: true,
    x: { ...whole(rows.map((row) => row.epoch), width), label: "epoch" }, y: { label: `${facts.study.score} %` },
    marks: [
      Plot.line(rows.filter((row) => !isBest(row)), { ...line, strokeOpacity: 0.3, strokeWidth: 1 }),
      Plot.line(rows.filter(isBest), { ...line, stroke: COLOURS[0], strokeWidth: 2 }),
      Plot.tip(rows, Plot.pointer({ ...line, title: (row) => `no. ${row.configuration}, seed ${row.seed}, epoch ${row.epoch}: ${percent(row.score)} %` })),
    ],
  });
}

function drawRace(width) {
  const shown = facts.race.filter((one) => one.behind !== null);
  return Plot.plot({
    ...byFate(shown.map((one) => one.kind)), width, height: 260, marginLeft: 50, inset: 8, grid: true,
    x: { ...whole(shown.map((one) => one.number), width), label: "configuration, in the order tried" }, y: { label: "points behind the best", reverse: true },
    marks: [
      Plot.ruleY([0]),
      Plot.dot(shown, {
        x: "number", y: (one) => 100 * one.behind, stroke: "kind", symbol: "kind", r: 4, title: (one) => `no. ${one.number}: ${one.reason}`, tip: true,
      }),
    ],
  });
}

function drawRates(width) {
  const both = facts.configurations.filter((one) => one.means.sensitivity !== null && one.means.specificity !== null);
  const { sensitivity: se, specificity: sp } = { sensitivity: (one) => 100 * one.means.sensitivity, specificity: (one) => 100 * one.means.specificity };
  const front = d3.sort(both.filter((one) => !both.some((other) =>
    se(other) >= se(one) && sp(other) >= sp(one) && (se(other) > se(one) || sp(other) > sp(one)))), sp);
  return Plot.plot({
    ...byFate(fatesOf(both)), width: Math.min(width, 620), height: 380, marginLeft: 50, inset: 8, grid: true,
    x: { label: "specificity %" }, y: { label: "sensitivity %" },
    marks: [
      Plot.line(front, { x: sp, y: se, strokeOpacity: 0.5 }),
      Plot.dot(both, { x: sp, y: se, stroke: "fate", symbol: "fate", r: 4, title: told, tip: true }),
      ring({ x: sp, y: se }),
    ],
  });
}

function confusionCells() {
  const { counts } = facts.confusion;
  return counts.flatMap((row, truth) => row.map((count, given) => ({
    truth: facts.study.labels[truth], given: facts.study.labels[given], count, share: count / Math.max(1, d3.sum(row)),
  })));
}

function drawConfusion(width) {
  const cells = confusionCells(), labels = facts.study.labels;
  return Plot.plot({
    width: Math.min(width, 110 + 95 * labels.length), height: 80 + 45 * labels.length, marginLeft: 110, marginTop: 50, padding: 0.05,
    x: { label: "answered", labelOffset: 45, domain: labels, axis: "top" }, y: { label: "true", domain: labels },
    color: { scheme: "Blues", domain: [0, 1] },
    marks: [
      Plot.cell(cells, { x: "given", y: "truth", fill: "share" }),
      Plot.text(cells, {
        x: "given", y: "truth", text: (cell) => `${percent(cell.share)} %\n${cell.count}`, fill: (cell) => (cell.share > 0.5 ? "#fff" : "#000"),
      }),
    ],
  });
}

function drawGroups(width) {
  const shown = facts.answers.groups.filter((one) => one.score !== null);
  const key = (one) => `${one.by} ${one.value}, ${one.patients} ${one.patients === 1 ? "patient" : "patients"}`;
  const ends = (one) => (one.interval ? `, 95 % over patients and seeds: ${one.interval.map(percent).join(" to ")}` : "");
  return Plot.plot({
    width, height: 60 + 22 * shown.length, marginLeft: 190, marginRight: 20,
    x: { label: `${facts.answers.score_name} %; lines: 95 % over patients and seeds`, grid: true }, y: { label: null, domain: shown.map(key) },
    marks: [
      Plot.ruleX([100 * facts.answers.score], { strokeDasharray: "4 3", strokeOpacity: 0.7 }),
      Plot.ruleY(shown.filter((one) => one.interval), {
        y: key, x1: (one) => 100 * one.interval[0], x2: (one) => 100 * one.interval[1], stroke: COLOURS[0], strokeWidth: 2,
      }),
      Plot.dot(shown, {
        y: key, x: (one) => 100 * one.score, fill: COLOURS[0], r: 4, tip: true,
        title: (one) => `${key(one)}, ${one.cycles} cycles: ${percent(one.score)} %${ends(one)}`,
      }),
    ],
  });
}

function answerParts() {
  if (facts.answers === null) return;
  const groups = section("groups", "By device, site, sex and age"), { missing } = facts.answers;
  if (missing !== null) return;
  const rows = facts.answers.groups.map(({ interval, ...one }) => ({ ...one, low: interval?.[0], high: interval?.[1] }));
  if (rows.some((one) => one.score !== null)) drawing(groups, "groups", drawGroups, rows);
  const worst = facts.answers.worst.map((one) => ({
    patient: one.patient, cycles: one.cycles, "right %": percent(one.right), "mixed up most": one.mixed_up,
  }));
  simpleTable(section("patients", "Patients answered worst"), worst, "mixed up most");
  if (facts.answers.errors !== null) errorCards(section("errors", "The most confident errors"));
}

const METHODS = { grad_cam: "Grad-CAM", integrated_gradients: "integrated gradients", attention_rollout: "attention rollout, which knows no label" };

function errorCards(parent) {
  if (!facts.answers.errors.length) return;
  if (facts.answers.errors.some((one) => one.map)) {
    const shown = element("input", { type: "checkbox", checked: "", onchange: () => parent.classList.toggle("without-maps", !shown.checked) });
    parent.append(element("label", { class: "maps" }, shown, " show what the wrong answers rest on (orange)"));
  }
  parent.append(element("div", { class: "small-multiples" }, ...facts.answers.errors.map((one, at) => element("figure", { class: "error" },
    spectrogram(one.spectrogram, `spectrogram of a cycle that is ${one.label} and was called ${one.answer}`, one.map),
    element("audio", { controls: "", preload: "metadata", src: `data:audio/ogg;base64,${one.sound}` }),
    element("figcaption", {},
      element("b", {}, `${at + 1}. ${one.label}, called ${one.answer}`), ` with ${percent(one.probability)} %`,
      element("br"), `${one.label} got ${percent(one.label_probability)} %; ${one.seeds} of ${facts.answers.seeds} seeds answer so`,
      element("br"), `patient ${one.patient}, ${one.recording}, ${one.start_s.toFixed(2)} to ${one.end_s.toFixed(2)} s`,
      ...(one.map ? [element("br"), element("span", { class: "map-note" }, mapNote(one))] : [])),
  ))));
  const rows = facts.answers.errors.map(({ sound, spectrogram: _, map: __, ...one }) => one);
  parent.append(element("div", { class: "tools" },
    element("button", { onclick: () => save(new Blob([csv(rows)], { type: "text/csv" }), "errors.csv") }, "CSV")));
}

function mapNote({ answer, map }) {
  const whose = `the network of seed ${map.seed}, which gives ${answer} ${percent(map.seed_probability)} %`;
  const padding = map.padding >= 0.005 ? `; ${percent(map.padding)} % of it lies on what pads the cycle` : "";
  const found = /[^\0]/.test(atob(map.cells)) ? `orange: what ${whose}, rests that on` : `no cell speaks for the answer of ${whose}`;
  return `${found}, by ${METHODS[map.method]}${padding}. It explains the network, and is no finding about the patient.`;
}

function picture({ frames, bands, cells }, colour, attributes) {
  const canvas = element("canvas", { width: frames, height: bands, ...attributes });
  const context = canvas.getContext("2d"), image = context.createImageData(frames, bands);
  const colours = d3.range(256).map((shade) => colour(shade / 255)), values = atob(cells);
  for (let band = 0; band < bands; band++) {
    for (let frame = 0; frame < frames; frame++) {
      image.data.set(colours[values.charCodeAt(band * frames + frame)], 4 * ((bands - 1 - band) * frames + frame));
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

function inferno(share) {
  const { r, g, b } = d3.rgb(d3.interpolateInferno(share));
  return [r, g, b, 255];
}

function spectrogram({ seconds, low_hz, high_hz, ...shades }, name, map) {
  // The root lets cells of a tenth of the highest be seen, and the spectrogram stays visible under the highest.
  const over = map && picture(map, (share) => [255, 90, 0, 190 * Math.sqrt(share)], { class: "map", role: "img", "aria-label": "what the answer rests on" });
  const hertz = (value) => (value >= 1000 ? `${value / 1000} kHz` : `${value} Hz`);
  return element("div", { class: "spectrogram" }, element("div", { class: over ? "under-map" : null }, picture(shades, inferno, { role: "img", "aria-label": name }), over ?? null),
    element("p", {}, element("span", {}, `0 to ${seconds.toFixed(1)} s`), element("span", {}, `${hertz(low_hz)} to ${hertz(high_hz)}, mel scale, upwards`)));
}

const isNumber = (value) => /^-?[\d.]+$/.test(String(value ?? ""));

function simpleTable(parent, rows, reason) {
  if (!rows.length) return;
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  parent.append(element("div", { class: "table" }, element("table", {},
    element("thead", {}, element("tr", {}, ...columns.map((column) => element("th", { scope: "col", class: isNumber(rows[0][column]) ? "number" : null }, column)))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...columns.map((column) =>
      element("td", { class: column === reason ? "reason" : isNumber(row[column]) ? "number" : null }, String(row[column] ?? "")))))))));
}

function readingRows() {
  return facts.readings.flatMap((reading) => {
    const lines = reading.fault ?? "unaltered";
    if (reading.every_epoch) return [{ study: reading.study, reading: "at every epoch", when: reading.at, part: reading.every_epoch, "lines of the ledger": lines }];
    return Object.entries(reading.parts ?? { "": {} }).map(([part, found]) => ({
      study: reading.study, reading: reading.reading, when: reading.at, part, cycles: found.cycles, patients: found.patients,
      "score %": percent(found.score), "95 %, patients and seeds": found.interval ? found.interval.map(percent).join(" to ") : "",
      "lines of the ledger": lines,
    }));
  });
}

function describe(parent, values, prefix = "") {
  for (const [name, value] of Object.entries(values)) {
    if (value !== null && typeof value === "object") describe(parent, value, `${prefix}${name} `);
    else parent.append(element("dt", {}, prefix + name), element("dd", {}, String(value)));
  }
}

function page() {
  document.querySelector("h1").textContent = facts.study.name;
  document.querySelector(".aside").textContent =
    `${facts.study.score}, task ${facts.study.task}; ${facts.study.state}; ${facts.study.data}; report of ${facts.study.made}${facts.renewed_s ? ", renewed while the study runs" : ""}`;
  if (scored.length) {
    drawing(section("history", "History"), "history", drawHistory, scored.map(flat));
    const slices = section("slices", "Each field by itself");
    const grid = element("div", { class: "small-multiples" });
    slices.append(grid);
    const seeds = scored.flatMap((one) => one.seeds.map((seed) => ({ number: one.number, state: one.state, ...one.values, ...seed })));
    for (const parameter of facts.parameters) {
      const place = element("div");
      grid.append(place);
      drawing(place, `slice-${parameter.path}`, (width) => drawSlice(parameter, width), seeds);
    }
    const importance = section("importance", "Which field matters");
    if (facts.importance.shares.length) drawing(importance, "importance", drawImportance, facts.importance.shares.map((one) => ({ path: one.path, share: one.share, low: one.interval[0], high: one.interval[1] })));
  }
  const parallel = section("parallel", "All configurations");
  configurationTable(parallel);
  if (scored.length) parallel.insertBefore(drawing(element("div"), "configurations", drawParallel, scored.map(flat)).parentNode, parallel.lastChild);
  const race = section("race", "What was given up, and why");
  if (facts.race.some((one) => one.behind !== null)) drawing(race, "race", drawRace, facts.race);
  simpleTable(race, facts.race.map((one) => ({ "no.": one.number, seeds: one.seeds, "points behind": percent(one.behind), reason: one.reason })), "reason");
  if (facts.curves.length) {
    const rows = facts.curves.flatMap((curve) => curve.scores.map((score, epoch) => ({ configuration: curve.configuration, seed: curve.seed, epoch: epoch + 1, score })));
    drawing(section("curves", "Learning curves"), "curves", drawCurves, rows);
  }
  if (scored.length) drawing(section("rates", "Sensitivity against specificity"), "rates", drawRates, scored.map(flat));
  const confusion = section("confusion", "Confusion of the best");
  if (facts.confusion !== null) drawing(confusion, "confusion", drawConfusion, confusionCells());
  answerParts();
  simpleTable(section("readings", "Readings of the official test part"), readingRows());
  section("methods", "Methods, to paste").append(element("pre", { style: "white-space: pre-wrap" }, facts.methods), element("pre", {}, facts.latex));
  const list = element("dl");
  describe(list, { study: facts.study.place, seeds: facts.study.seeds.join(", "), ...facts.provenance });
  section("provenance", "Provenance").append(list);
}

// While a study runs, this file is written anew; what is heard or dragged over stays until it is done with.
function follow() {
  const busy = ranges.size > 0 || [...document.querySelectorAll("audio")].some((one) => !one.paused);
  if (!busy) location.reload();
}

if (facts.only) document.body.classList.add("alone");
page();
if (facts.renewed_s) setInterval(follow, 1000 * facts.renewed_s);
document.body.dataset.drawn = "yes";
