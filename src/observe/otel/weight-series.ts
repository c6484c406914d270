import type { ReportedWeights } from "../../policy/policy.ts";
import type { Attributes } from "./api.ts";
import type { Measures } from "./client-series.ts";
import { WRR } from "./metric.ts";

/** gRPC's experimental metrics of a transport's weighted round robin. */
export class WeightSeries {
  readonly #measures: Measures;
  readonly #attributes: Attributes;

  constructor(measures: Measures, target: string) {
    this.#measures = measures;
    this.#attributes = { "grpc.target": target };
  }

  updated({ weights, notYetUsable, stale, fallback }: ReportedWeights): void {
    const { backend } = this.#measures, attributes = this.#attributes;
    if (fallback) backend.series(WRR.fallback, attributes).record(1);
    if (notYetUsable > 0) backend.series(WRR.notYetUsable, attributes).record(notYetUsable);
    if (stale > 0) backend.series(WRR.stale, attributes).record(stale);
    const histogram = backend.series(WRR.weights, attributes);
    for (const weight of weights) histogram.record(weight);
  }
}
