// Reads the load reports of servers (ORCA, gRFC A51): `xds.data.orca.v3.OrcaLoadReport`. By hand, because generated code
// would bring a schema and Protobuf's reflection into the bundle of every policy that reads these seven fields.

import { base64Decode } from "@bufbuild/protobuf/wire";

/** What a server reports of its load; 0 is the same as not reported, as in the message. */
export interface LoadReport {
  /** The fraction of the CPU that is used, from 0; above 1 when a soft limit is exceeded. */
  readonly cpuUtilization: number;
  /** The fraction of the memory that is used, from 0 to 1. */
  readonly memUtilization: number;
  /** How busy the server is by its own reckoning, from 0; above 1 when a soft limit is exceeded. */
  readonly applicationUtilization: number;
  /** Requests per second, of all clients. */
  readonly rpsFractional: number;
  /** Errors per second. */
  readonly eps: number;
  /** The fractions of other resources that are used, by name. */
  readonly utilization: Readonly<Record<string, number>>;
  /** Other metrics, by name. */
  readonly namedMetrics: Readonly<Record<string, number>>;
}

/** The trailer with the report of the server that answered. */
const TRAILER = "endpoint-load-metrics-bin";

/** A larger report is ignored. */
const MAX_BYTES = 16_384;

/** The report in an attempt's trailers; undefined if there is none, or not exactly one that can be read. */
export function loadReportIn(trailer: Headers): LoadReport | undefined {
  const value = trailer.get(TRAILER);
  if (value === null) return undefined;
  try {
    // Two reports would be joined with a comma, which is not base64.
    return readLoadReport(base64Decode(value));
  } catch {
    return undefined;
  }
}

/** @throws Error if the bytes are no report, or too many. */
export function readLoadReport(bytes: Uint8Array): LoadReport {
  if (bytes.length > MAX_BYTES) throw new RangeError(`a load report of ${bytes.length} bytes`);
  return new ReportReader(bytes).read();
}

/**
 * How busy a server is, for weights (gRFC A58, A114): the greatest of the metrics that are named, if any is above 0;
 * else what it reckons itself, if that is above 0; else its CPU. A name is `application_utilization`, `cpu_utilization`,
 * `mem_utilization`, or one in `named_metrics` or `utilization`: `named_metrics.queue`.
 */
export function utilizationOf(report: LoadReport, metricNames: readonly string[] = []): number {
  let greatest = 0;
  for (const name of metricNames) {
    // Not a number: not reported, or a name that every object has, such as "constructor".
    const value = Number(metricOf(report, name));
    if (value > greatest) greatest = value;
  }
  if (greatest > 0) return greatest;
  return report.applicationUtilization > 0 ? report.applicationUtilization : report.cpuUtilization;
}

/** The metric's value; undefined if it isn't reported. */
function metricOf(report: LoadReport, name: string): number | undefined {
  switch (name) {
    case "application_utilization":
      return report.applicationUtilization;
    case "cpu_utilization":
      return report.cpuUtilization;
    case "mem_utilization":
      return report.memUtilization;
  }
  // The key may have dots of its own.
  const dot = name.indexOf("."), map = name.slice(0, dot), key = name.slice(dot + 1);
  if (map === "named_metrics") return report.namedMetrics[key];
  return map === "utilization" ? report.utilization[key] : undefined;
}

/** How values are encoded, in the lowest three bits of a tag. */
const VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5;

const utf8 = /* @__PURE__ */ new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A name. Most are short and ASCII, for which a decoder takes longer than the rest of a report. */
function textOf(bytes: Uint8Array, from: number, to: number): string {
  let text = "";
  for (let at = from; at < to; at++) {
    const byte = bytes[at]!;
    if (byte >= 0x80) return utf8.decode(bytes.subarray(from, to));
    text += String.fromCharCode(byte);
  }
  return text;
}

/** Reads one message. Its methods throw where the bytes can't be read, or end too early. */
class ReportReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  read(): LoadReport {
    const numbers = { cpuUtilization: 0, memUtilization: 0, applicationUtilization: 0, rpsFractional: 0, eps: 0 };
    const utilization: Record<string, number> = {}, namedMetrics: Record<string, number> = {};
    const end = this.#bytes.length;
    while (this.#at < end) {
      const tag = this.#varint(end);
      if (tag === (1 << 3 | FIXED64)) numbers.cpuUtilization = this.#double(end);
      else if (tag === (2 << 3 | FIXED64)) numbers.memUtilization = this.#double(end);
      else if (tag === (5 << 3 | BYTES)) this.#entry(utilization, end);
      else if (tag === (6 << 3 | FIXED64)) numbers.rpsFractional = this.#double(end);
      else if (tag === (7 << 3 | FIXED64)) numbers.eps = this.#double(end);
      else if (tag === (8 << 3 | BYTES)) this.#entry(namedMetrics, end);
      else if (tag === (9 << 3 | FIXED64)) numbers.applicationUtilization = this.#double(end);
      else this.#skip(tag, end);
    }
    return { ...numbers, utilization, namedMetrics };
  }

  /** An entry of a map: a name and a number. */
  #entry(map: Record<string, number>, messageEnd: number): void {
    const end = this.#length(messageEnd);
    let name = "", value = 0;
    while (this.#at < end) {
      const tag = this.#varint(end);
      if (tag === (1 << 3 | BYTES)) {
        const nameEnd = this.#length(end);
        name = textOf(this.#bytes, this.#at, nameEnd);
        this.#at = nameEnd;
      } else if (tag === (2 << 3 | FIXED64)) {
        value = this.#double(end);
      } else {
        this.#skip(tag, end);
      }
    }
    map[name] = value;
  }

  /** A field that is not read. */
  #skip(tag: number, end: number): void {
    const encoding = tag & 7;
    if (tag < 1 << 3 || tag > 0xffff_ffff) throw new Error(`the tag ${tag}`);
    if (encoding === VARINT) this.#varint(end);
    else if (encoding === FIXED64) this.#move(8, end);
    else if (encoding === BYTES) this.#at = this.#length(end);
    else if (encoding === FIXED32) this.#move(4, end);
    else throw new Error(`the encoding ${encoding}`);
  }

  #double(end: number): number {
    return this.#view.getFloat64(this.#move(8, end), true);
  }

  /** Reads a length; returns where what has it ends. */
  #length(end: number): number {
    const length = this.#varint(end), from = this.#at;
    if (length > end - from) throw new RangeError("the end is missing");
    return from + length;
  }

  /** Returns where it was. */
  #move(bytes: number, end: number): number {
    const from = this.#at;
    if (bytes > end - from) throw new RangeError("the end is missing");
    this.#at = from + bytes;
    return from;
  }

  /** Precise up to 2⁵³; only lengths and tags are used, which are smaller. */
  #varint(end: number): number {
    let value = 0;
    for (let i = 0; i < 10; i++) {
      const byte = this.#bytes[this.#move(1, end)]!;
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) return value;
    }
    throw new Error("a number of more than ten bytes");
  }
}
