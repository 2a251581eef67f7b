// Curves of a visit as small plots, one for each exposure, all on one scale.
"use strict";

const PLOT = { width: 360, height: 230, left: 44, right: 352, top: 24, bottom: 196 };

/** Return an SVG element with attributes and children. */
function svg(name, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** Return the limits of the sky: of the reads that are used, since short ones are mostly noise. */
function skyLimits(exposures, reads) {
  const used = reads.filter((read) => read.used && read.rate !== null);
  const rates = (used.length ? used : reads).map((read) => read.rate).filter((rate) => rate !== null);
  const values = [...rates, ...exposures.map((row) => row.zodi_model).filter((level) => level !== null)];
  const high = Math.max(...values, 0.1), low = Math.min(...values, 0);
  return [low - 0.04 * (high - low), high + 0.08 * (high - low)];
}

/** Return about five round values between two. */
function ticks(low, high) {
  const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const first = Math.ceil(low / step), last = Math.floor(high / step);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return Array.from({ length: last - first + 1 }, (_, k) => [(first + k) * step, ((first + k) * step).toFixed(decimals)]);
}

/** Return the plot of an exposure. */
function curvePlot(exposure, reads, [low, high]) {
  const length = 1.02 * Math.max(exposure.exptime ?? 0, 1, ...reads.map((read) => read.t_end));
  const x = (time) => (PLOT.left + (time / length) * (PLOT.right - PLOT.left)).toFixed(1);
  const y = (rate) => (PLOT.bottom - ((rate - low) / (high - low)) * (PLOT.bottom - PLOT.top)).toFixed(1);
  const parts = [
    ...reads.filter((read) => read.in_shadow).map((read) => shade(x(read.t_start), x(read.t_end))),
    ...axes(x, y, length, [low, high]),
    ...heading(exposure),
  ];
  if (exposure.zodi_model !== null) {
    const height = y(exposure.zodi_model);
    parts.push(svg("path", { class: "line green dashed", d: `M${PLOT.left},${height}H${PLOT.right}` }));
  }
  const inside = (value) => value !== null && value >= low && value <= high;
  const means = reads.filter((read) => inside(read.cumulative_rate));
  const course = means.map((read) => `${x(read.t_end)},${y(read.cumulative_rate)}`).join("L");
  if (course) parts.push(svg("path", { class: "line blue", d: `M${course}` }));
  const shown = reads.filter((read) => inside(read.rate));
  parts.push(...shown.map((read) => mark(read, read.used ? exposure.tvb_class ?? "unknown" : "faint", x, y)));
  const label = `sky between the reads of ${exposure.rootname}, ${exposure.tvb_class ?? "no verdict"}`;
  return svg("svg", { class: "plot", viewBox: `0 0 ${PLOT.width} ${PLOT.height}`, role: "img", "aria-label": label }, ...parts);
}

function shade(left, right) {
  const size = { width: Math.max(right - left, 0), height: PLOT.bottom - PLOT.top };
  return svg("rect", { class: "shade", x: left, y: PLOT.top, ...size });
}

function axes(x, y, length, [low, high]) {
  const { left, right, top, bottom } = PLOT;
  const parts = [];
  for (const [value, text] of ticks(low, high)) {
    parts.push(svg("path", { class: "grid", d: `M${left},${y(value)}H${right}` }));
    parts.push(label(left - 5, Number(y(value)) + 3.5, text, "end"));
  }
  for (const [value, text] of ticks(0, length)) {
    parts.push(svg("path", { class: "grid", d: `M${x(value)},${bottom}v3` }), label(x(value), bottom + 14, text));
  }
  const middle = (top + bottom) / 2;
  const sky = label(0, 0, "sky [e-/s]");
  sky.setAttribute("transform", `translate(11 ${middle}) rotate(-90)`);
  parts.push(svg("path", { class: "frame", d: `M${left},${top}V${bottom}H${right}` }), sky);
  return [...parts, label((left + right) / 2, bottom + 29, "time since the zeroth read [s]")];
}

function heading({ rootname, filter, tvb_class }) {
  const verdict = label(PLOT.right, PLOT.top - 9, tvb_class ?? "no verdict", "end", "title own");
  return [
    label(PLOT.left, PLOT.top - 9, `${rootname}  ${filter ?? ""}`, "start", "title"),
    svg("g", { class: tvb_class ?? "unknown" }, verdict),
  ];
}

function label(x, y, text, anchor = "middle", name = "label") {
  return svg("text", { class: name, x, y, "text-anchor": anchor }, text);
}

/** Return a read: a dot with its error, and its numbers under the pointer. */
function mark(read, name, x, y) {
  const at = x((read.t_start + read.t_end) / 2), error = read.rate_err ?? 0;
  const hint = `read ${read.read}: ${read.rate.toFixed(3)} +- ${error.toFixed(3)} e-/s`;
  return svg("g", { class: name }, svg("title", {}, hint),
    svg("path", { class: "error", d: `M${at},${y(read.rate - error)}V${y(read.rate + error)}` }),
    svg("path", { class: "dots", d: `M${at},${y(read.rate)}h0` }));
}
