// The files of the release: read over HTTP by ranges, or from the disk where the reader has chosen them.
"use strict";

const traffic = { bytes: 0, requests: 0, whole: false };

/** A file beside this page. Every range is fetched once; a server without ranges sends the whole file, which is kept. */
class RemoteFile {
  constructor(table) {
    this.name = table.file;
    this.byteLength = table.bytes;
    this.ranges = new Map();
  }

  async slice(start, end = this.byteLength) {
    if (this.whole) return this.whole.slice(start, end);
    const key = `${start}-${end - 1}`;
    if (!this.ranges.has(key)) {
      const range = this.fetch(key, start, end);
      range.catch(() => this.ranges.delete(key));
      this.ranges.set(key, range);
    }
    return this.ranges.get(key);
  }

  async fetch(key, start, end) {
    const answer = await fetch(encodeURI(this.name), { headers: { Range: `bytes=${key}` } });
    if (!answer.ok) throw new Error(`${this.name}: the server answers ${answer.status} ${answer.statusText}`);
    const body = await answer.arrayBuffer();
    traffic.bytes += body.byteLength;
    traffic.requests += 1;
    if (answer.status === 206 && body.byteLength === end - start) return body;
    if (body.byteLength !== this.byteLength) throw new Error(`${this.name} is not the file that this page was made for`);
    traffic.whole = true;
    this.whole = body;
    return body.slice(start, end);
  }
}

/** A file that the reader has chosen or dropped. */
class ChosenFile {
  constructor(file) {
    this.file = file;
    this.byteLength = file.size;
  }

  async slice(start, end = this.byteLength) {
    traffic.bytes += end - start;
    traffic.requests += 1;
    return this.file.slice(start, end).arrayBuffer();
  }
}

/** Bytes at the end of a file that are fetched first: the footer of a table of some hundred thousand rows fits in. */
const FOOTER = 1 << 16;
const compressors = { ZSTD: (input, length) => parquet.decompress(input, new Uint8Array(length)) };

/** A table for the SQL engine. It reads the columns that a statement names, of the row groups that can have an answer. */
class Source {
  constructor(table) {
    this.table = table;
    this.columns = table.columns.map((column) => column.name);
    this.numRows = table.rows;
    this.file = location.protocol === "file:" ? null : new RemoteFile(table);
  }

  choose(file) {
    if (file.size !== this.table.bytes) throw new Error(`${file.name} is not the file that this page was made for`);
    this.file = new ChosenFile(file);
    this.footer = null;
  }

  scan({ columns = this.columns, where, limit, offset = 0 }) {
    const end = where || limit === undefined ? Infinity : offset + limit;
    const rows = () => this.rows(columns, where, where ? 0 : offset, end);
    return { rows, appliedWhere: false, appliedLimitOffset: !where };
  }

  async *rows(columns, where, start, end) {
    if (!this.file) throw new Error(`choose the file ${this.table.file} first (top of this page)`);
    this.footer ??= parquet.parquetMetadataAsync(this.file, { initialFetchSize: FOOTER });
    const metadata = await this.footer.catch((error) => { this.footer = null; throw error; });
    for (const [first, last] of rowRanges(metadata, where ? bounds(where) : [])) {
      const part = { rowStart: Math.max(first, start), rowEnd: Math.min(last, end) };
      if (part.rowStart >= part.rowEnd) continue;
      for (const row of await this.read(metadata, columns, part)) yield parquet.asyncRow(row, columns);
    }
  }

  async read(metadata, columns, { rowStart, rowEnd }) {
    if (!columns.length) return Array.from({ length: rowEnd - rowStart }, () => ({}));
    const rows = await parquet.parquetReadObjects({ file: this.file, metadata, columns, compressors, rowStart, rowEnd });
    for (const row of rows) for (const name of columns) row[name] = plain(row[name]);
    return rows;
  }
}

/** Whole numbers are 64 bits long in the files; SQL functions take only JavaScript's numbers. */
function plain(value) {
  if (Array.isArray(value)) return value.map(plain);
  return typeof value === "bigint" ? Number(value) : value;
}

/** Return [first, last] row of the row groups whose smallest and largest values allow all bounds; neighbours joined. */
function rowRanges(metadata, wanted) {
  const found = [];
  let start = 0;
  for (const group of metadata.row_groups) {
    const end = start + Number(group.num_rows);
    if (wanted.every((bound) => allows(group, bound))) {
      const before = found.at(-1);
      if (before?.[1] === start) before[1] = end;
      else found.push([start, end]);
    }
    start = end;
  }
  return found;
}

function allows(group, { name, low, high }) {
  const chunk = group.columns.find((column) => column.meta_data.path_in_schema[0] === name);
  const { min_value: min, max_value: max } = chunk?.meta_data.statistics ?? {};
  if (min === undefined || max === undefined) return true;
  if (low !== undefined && comparable(low, max) && max < low) return false;
  return !(high !== undefined && comparable(high, min) && min > high);
}

function comparable(a, b) {
  return (typeof a === "string") === (typeof b === "string");
}

/** Return what a condition demands of single columns: {name, low, high}, those that all rows found must fulfil. */
function bounds(where) {
  if (where.op === "AND") return [...bounds(where.left), ...bounds(where.right)];
  if (where.type === "in valuelist" && where.expr.type === "identifier") {
    const values = where.values.map(constant).sort((a, b) => (a < b ? -1 : 1));
    if (!values.length || values.some((value) => typeof value !== typeof values[0] || value === undefined)) return [];
    return [{ name: where.expr.name, low: values[0], high: values.at(-1) }];
  }
  if (where.type !== "binary") return [];
  const mirrored = { "<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "==": "=" };
  if (where.left.type === "identifier") return bound(where.left.name, where.op, constant(where.right));
  if (where.right.type === "identifier") return bound(where.right.name, mirrored[where.op], constant(where.left));
  return [];
}

function bound(name, op, value) {
  if (typeof value !== "string" && typeof value !== "number") return [];
  const low = ["=", "==", ">", ">="].includes(op) ? value : undefined;
  const high = ["=", "==", "<", "<="].includes(op) ? value : undefined;
  return low === undefined && high === undefined ? [] : [{ name, low, high }];
}

/** Return the value of a constant, also inside lower() and upper(); undefined where it is none. */
function constant(node) {
  if (node.type === "literal") return node.value;
  if (node.type === "unary" && node.op === "-" && node.argument.type === "literal") return -node.argument.value;
  if (node.type !== "function" || node.args.length !== 1) return undefined;
  const value = constant(node.args[0]);
  if (typeof value !== "string") return undefined;
  return { LOWER: value.toLowerCase(), UPPER: value.toUpperCase() }[node.funcName.toUpperCase()];
}
