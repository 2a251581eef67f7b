// The page: search, the curves of a visit, SQL. Every search is a statement that can be put into the box and changed.
"use strict";

const release = JSON.parse(document.getElementById("release").textContent);
const sources = Object.fromEntries(release.tables.map((table) => [table.name, new Source(table)]));
const at = (id) => document.getElementById(id);
const SHOWN = 500;
const CLASSES = new Set(["none", "mild", "moderate", "severe"]);
const FOUND = `rootname, visit, proposal_id, target_name, filter, samp_seq, exptime, sky_mean, tvb_class, tvb_kind, recommend`;
const CURVE = "rootname, read, t_start, t_end, used, rate, rate_err, cumulative_rate, in_shadow";

/** Run a statement, and return its rows with the bytes and the time that it took. */
async function ask(sql) {
  const before = { ...traffic }, start = performance.now();
  const query = sql.trim().replace(/;\s*$/, "");
  const result = parquet.executeSql({ tables: sources, query });
  const rows = await parquet.collect(result);
  const cost = { bytes: traffic.bytes - before.bytes, requests: traffic.requests - before.requests };
  cost.seconds = (performance.now() - start) / 1000;
  return { rows, columns: rows.length ? Object.keys(rows[0]) : result.columns, cost };
}

/** Return an element with text or children. */
function html(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function counted(n, name) {
  return `${n.toLocaleString("en")} ${name}${n === 1 ? "" : "s"}`;
}

function size(bytes) {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(2)} MB`;
}

/** Return what a statement took, in words. */
function costs({ rows, cost }) {
  const got = cost.requests ? `${size(cost.bytes)} in ${counted(cost.requests, "request")}` : "nothing fetched";
  const whole = traffic.whole ? " (this server sends whole files only)" : "";
  return `${counted(rows.length, "row")}; ${got}${whole}, ${cost.seconds.toFixed(2)} s; since the start ${size(traffic.bytes)}`;
}

function text(value) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "number") return Array.isArray(value) ? value.join("; ") : String(value);
  if (Number.isInteger(value)) return String(value);
  return Math.abs(value) >= 1e4 && Math.abs(value) < 1e9 ? value.toFixed(4) : String(Number(value.toPrecision(4)));
}

/** Return a cell; rootnames and visits lead to the curves of their visit. */
function cell(column, value) {
  const content = text(value);
  const linked = ["rootname", "visit"].includes(column) && content.length >= 6;
  const inside = linked ? html("a", { href: `#visit=${encodeURIComponent(content.slice(0, 6))}` }, content) : content;
  const name = typeof value === "number" ? "number" : column.endsWith("_class") && CLASSES.has(content) ? content : "";
  return html("td", { class: name }, inside);
}

/** Return a result as a table, with units and descriptions of the columns that the schema has. */
function resultTable({ rows, columns }) {
  const known = new Map(release.tables.flatMap((table) => table.columns.map((column) => [column.name, column])));
  const head = columns.map((name) => {
    const { unit, description } = known.get(name) ?? {};
    return html("th", { title: description ? `${description}${unit ? ` [${unit}]` : ""}` : "", scope: "col" }, name);
  });
  const lines = rows.slice(0, SHOWN).map((row) => html("tr", {}, ...columns.map((name) => cell(name, row[name]))));
  const table = html("table", {}, html("thead", {}, html("tr", {}, ...head)), html("tbody", {}, ...lines));
  return html("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "result" }, table);
}

function csv({ rows, columns }) {
  const quoted = (value) => {
    const written = Array.isArray(value) ? value.join(";") : String(value ?? "");
    return /[",\r\n]/.test(written) ? `"${written.replaceAll('"', '""')}"` : written;
  };
  const lines = [columns, ...rows.map((row) => columns.map((name) => row[name]))];
  return lines.map((line) => line.map(quoted).join(",") + "\n").join("");
}

/** Run a statement and show its result, or the error, in a part of the page. */
async function show(sql, place) {
  place.replaceChildren(html("p", { class: "hint always", role: "status" }, "reading ..."));
  try {
    const result = await ask(sql);
    const parts = [html("p", { class: "hint always cost", role: "status" }, costs(result))];
    if (result.rows.length > SHOWN) parts.push(html("p", { class: "hint always" }, `The first ${SHOWN} are shown.`));
    if (result.rows.length) parts.push(resultTable(result), saveButton(result));
    else parts.push(html("p", {}, "Nothing found."));
    place.replaceChildren(...parts);
    return result;
  } catch (error) {
    fail(error, place);
  }
}

function fail(error, place) {
  place.replaceChildren(html("p", { class: "severe", role: "alert" }, error.message));
}

function saveButton(result) {
  const button = html("button", { type: "button" }, `save as CSV (${counted(result.rows.length, "row")})`);
  button.addEventListener("click", () => {
    const address = URL.createObjectURL(new Blob([csv(result)], { type: "text/csv" }));
    html("a", { href: address, download: "result.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  });
  return html("p", {}, button);
}

function literal(value) {
  return `'${value.replaceAll("'", "''")}'`;
}

/** Return the conditions of the search form. Names begin with letters and digits, all of which sort before "~". */
function conditions(form) {
  const given = (name) => form.get(name)?.trim() ?? "";
  const found = [];
  const name = given("name").toLowerCase();
  if (name) found.push(`rootname BETWEEN ${literal(name)} AND ${literal(`${name}~`)}`);
  if (given("program")) found.push(`proposal_id = ${Number(given("program"))}`);
  if (given("target")) found.push(`upper(target_name) LIKE ${literal(`%${given("target").toUpperCase()}%`)}`);
  if (given("filter")) found.push(`filter = ${literal(given("filter").toUpperCase())}`);
  if (given("class")) found.push(`tvb_class = ${literal(given("class"))}`);
  if (form.get("flagged")) found.push("flagged");
  return found;
}

async function search(event) {
  event.preventDefault();
  const found = conditions(new FormData(at("search")));
  const sql = `SELECT ${FOUND}\nFROM exposures${found.length ? `\nWHERE ${found.join(" AND ")}` : ""}\nORDER BY rootname`;
  if (await show(sql, at("found"))) at("found").append(editButton(sql));
}

function editButton(sql) {
  const button = html("button", { type: "button" }, "edit as SQL");
  button.addEventListener("click", () => {
    at("statement").value = sql;
    at("sql").scrollIntoView();
    at("statement").focus();
  });
  return button;
}

/** Draw the curves of the visit that the address names: #visit=ibohbf. */
async function showVisit() {
  const visit = new URLSearchParams(location.hash.slice(1)).get("visit")?.toLowerCase();
  if (!visit) return;
  at("visit").hidden = false;
  at("visit-name").textContent = `Visit ${visit}`;
  at("plots").replaceChildren();
  const columns = `${FOUND}, zodi_model, expstart, tvb_score`;
  const sql = `SELECT ${columns} FROM exposures WHERE visit = ${literal(visit)} ORDER BY expstart, rootname`;
  const result = await show(sql, at("visit-exposures"));
  if (result?.rows.length) await drawCurves(visit, result.rows).catch((error) => fail(error, at("plots")));
  at("visit").scrollIntoView();
}

async function drawCurves(visit, exposures) {
  const where = `rootname BETWEEN ${literal(visit)} AND ${literal(`${visit}~`)}`;
  const curves = await ask(`SELECT ${CURVE} FROM reads WHERE ${where} ORDER BY rootname, read`);
  const limits = skyLimits(exposures, curves.rows);
  const reads = Map.groupBy ? Map.groupBy(curves.rows, (read) => read.rootname) : grouped(curves.rows);
  at("plots").replaceChildren(...exposures.map((row) => curvePlot(row, reads.get(row.rootname) ?? [], limits)));
  at("visit-cost").textContent = `Curves: ${costs(curves)}`;
}

function grouped(reads) {
  const found = new Map();
  for (const read of reads) found.set(read.rootname, [...(found.get(read.rootname) ?? []), read]);
  return found;
}

function takeExample() {
  const { sql, text: about } = release.queries[at("examples").value] ?? { sql: "", text: "" };
  at("statement").value = sql;
  at("about").textContent = about;
}

async function runStatement(event) {
  event.preventDefault();
  await show(at("statement").value, at("answer"));
}

/** Take the files that belong to the release, and say which are still missing. */
function choose(files) {
  const problems = [];
  for (const file of files) {
    const source = Object.values(sources).find(({ table }) => table.file === file.name);
    try {
      source?.choose(file);
    } catch (error) {
      problems.push(error.message);
    }
  }
  const open = Object.values(sources).filter((source) => source.file).map(({ table }) => table.name);
  at("chosen").textContent = [...problems, `Tables that are open: ${open.join(", ") || "none"}.`].join(" ");
  showVisit();
}

function start() {
  at("local").hidden = location.protocol !== "file:";
  at("choose").addEventListener("change", () => choose(at("choose").files));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    choose(event.dataTransfer.files);
  });
  at("search").addEventListener("submit", search);
  at("console").addEventListener("submit", runStatement);
  at("examples").addEventListener("change", takeExample);
  at("statement").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) runStatement(event);
  });
  window.addEventListener("hashchange", showVisit);
  showVisit();
}

start();
