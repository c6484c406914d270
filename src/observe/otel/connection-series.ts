import type { BalancerEvent } from "../../balancer/event.ts";
import { endpointIdentity } from "../../endpoint.ts";
import type { Attributes } from "./api.ts";
import type { Measures } from "./client-series.ts";
import { disconnectError } from "./disconnect-error.ts";
import { OUTLIERS, SUBCHANNEL } from "./metric.ts";

type StateEvent = Extract<BalancerEvent, { readonly type: "connection-state" }>;
type UnenforcedEvent = Extract<BalancerEvent, { readonly type: "ejection-unenforced" }>;
type HealthEvent = Extract<BalancerEvent, { readonly type: "connection-health" }>;

/** gRPC's experimental metrics of a transport's connections, from its events. */
export class ConnectionSeries {
  readonly #measures: Measures;
  readonly #attributes: Attributes;
  /** The endpoints with an open connection. Links over fetch have none that can be seen. */
  readonly #open = new Set<string>();

  constructor(measures: Measures, target: string) {
    this.#measures = measures;
    this.#attributes = { "grpc.target": target };
  }

  event(event: BalancerEvent): void {
    if (event.type === "connection-state") this.#state(event);
    else if (event.type === "connection-health") this.#health(event);
    else if (event.type === "ejection-unenforced") this.#unenforced(event);
  }

  #state(event: StateEvent): void {
    const { endpoint, from, to } = event, { backend } = this.#measures, identity = endpointIdentity(endpoint);
    if (from === "connecting" && to === "ready") {
      this.#open.add(identity);
      backend.series(SUBCHANNEL.succeeded, this.#attributes).record(1);
      backend.series(SUBCHANNEL.open, this.#attributes).record(1);
    } else if (from === "connecting" && to === "transient_failure") {
      backend.series(SUBCHANNEL.failed, this.#attributes).record(1);
    } else if (from === "ready" && this.#open.delete(identity)) {
      this.#disconnected(disconnectError(event));
    }
  }

  #disconnected(why: string): void {
    const { backend } = this.#measures;
    backend.series(SUBCHANNEL.disconnections, { ...this.#attributes, "grpc.disconnect_error": why }).record(1);
    backend.series(SUBCHANNEL.open, this.#attributes).record(-1);
  }

  /** The transport was closed, with all its connections. */
  closed(): void {
    for (const _ of this.#open) this.#disconnected(disconnectError({ to: "shutdown" }));
    this.#open.clear();
  }

  #health({ ejectedForMs, ejectedBy }: HealthEvent): void {
    if (ejectedForMs === undefined || ejectedBy === undefined) return;
    const attributes = { ...this.#attributes, "grpc.lb.outlier_detection.detection_method": ejectedBy };
    this.#measures.backend.series(OUTLIERS.enforced, attributes).record(1);
  }

  /** Every ejection is enforced unless there are too many: there is no enforcement percentage. */
  #unenforced({ rule }: UnenforcedEvent): void {
    this.#measures.backend.series(OUTLIERS.unenforced, {
      ...this.#attributes,
      "grpc.lb.outlier_detection.detection_method": rule,
      "grpc.lb.outlier_detection.unenforced_reason": "max_ejection_overflow",
    }).record(1);
  }
}
