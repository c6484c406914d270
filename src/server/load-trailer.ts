import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { base64Encode } from "@bufbuild/protobuf/wire";
import { OrcaLoadReportSchema } from "../../gen/xds/data/orca/v3/orca_load_report_pb.ts";

/** The fields of a report. */
export type ReportInit = MessageInitShape<typeof OrcaLoadReportSchema>;

/** The named metric with the requests in flight. */
export const IN_FLIGHT = "rif";
/** The named metric with the latency. */
export const LATENCY = "latency_ms";

/** How many bytes of a report depend on the requests in flight; the 21 that follow depend on the latency. */
const IN_FLIGHT_BYTES = 18;

/** The metrics that change with the calls, as a report begins. */
const measured = new Uint8Array([...namedMetric(IN_FLIGHT), ...namedMetric(LATENCY)]);
const view = new DataView(measured.buffer);
const inFlightText = new Map<number, string>();
const REMEMBERED_TEXTS = 1_024;

/**
 * A report as the value of a header, for each answer. What changes with the calls stands first, in pieces of bytes
 * divisible by 3, so that each is a text of its own in base64, which is remembered.
 */
export class LoadTrailer {
  readonly #rest: string;
  #latencyMs = NaN;
  #latency = "";

  /** `init` is what else to report. */
  constructor(init: ReportInit) {
    this.#rest = trailerOf(init);
  }

  with(inFlight: number, latencyMs: number): string {
    if (latencyMs !== this.#latencyMs) {
      view.setFloat64(31, latencyMs, true);
      this.#latency = base64Encode(measured.subarray(IN_FLIGHT_BYTES), "std_raw") + this.#rest;
      this.#latencyMs = latencyMs;
    }
    return (inFlightText.get(inFlight) ?? encodeInFlight(inFlight)) + this.#latency;
  }
}

function encodeInFlight(inFlight: number): string {
  view.setFloat64(8, inFlight, true);
  const text = base64Encode(measured.subarray(0, IN_FLIGHT_BYTES), "std_raw");
  if (inFlightText.size < REMEMBERED_TEXTS) inFlightText.set(inFlight, text);
  return text;
}

/** A whole report as the value of a header. */
export function trailerOf(init: ReportInit): string {
  return base64Encode(toBinary(OrcaLoadReportSchema, create(OrcaLoadReportSchema, init)), "std_raw");
}

/** An entry of `named_metrics`, field 8, whose last 8 bytes are the value: 16 bytes and the name's length beyond 3. */
function namedMetric(name: string): number[] {
  const key = [...new TextEncoder().encode(name)];
  const value = new Array<number>(8).fill(0);
  return [8 << 3 | 2, key.length + 11, 1 << 3 | 2, key.length, ...key, 2 << 3 | 1, ...value];
}
