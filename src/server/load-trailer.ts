import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { base64Encode } from "@bufbuild/protobuf/wire";
import { OrcaLoadReportSchema } from "../../gen/xds/data/orca/v3/orca_load_report_pb.ts";

/** The fields of a report. */
export type ReportInit = MessageInitShape<typeof OrcaLoadReportSchema>;

/** The named metric with the requests in flight. */
export const IN_FLIGHT = "rif";
/** The named metric with the latency. */
export const LATENCY = "latency_ms";

/**
 * A report as the value of a header, for each answer: only the two metrics that change with every call are encoded each
 * time; they stand first, in bytes divisible by 3, so that what follows is the same text in base64.
 */
export class LoadTrailer {
  readonly #measured = new Uint8Array([...namedMetric(IN_FLIGHT), ...namedMetric(LATENCY)]);
  readonly #view = new DataView(this.#measured.buffer);
  readonly #rest: string;

  /** `init` is what else to report. */
  constructor(init: ReportInit) {
    this.#rest = trailerOf(init);
  }

  with(inFlight: number, latencyMs: number): string {
    this.#view.setFloat64(8, inFlight, true);
    this.#view.setFloat64(31, latencyMs, true);
    return base64Encode(this.#measured, "std_raw") + this.#rest;
  }
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
