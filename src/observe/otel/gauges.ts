import type { ObservedTransport } from "../../transport/observer.ts";
import type { Attributes } from "./api.ts";
import type { MetricBackend, Observe } from "./backend.ts";
import { type MetricDefinition, STATES } from "./metric.ts";

/** A transport under the name of its target. */
export interface NamedTransport {
  readonly target: string;
  readonly transport: ObservedTransport;
}

/** What has the snapshot of a registry. */
export interface SnapshottingRegistry {
  snapshot(): {
    /** When it was taken, in milliseconds. */
    readonly nowMs: number;
    readonly registrations: readonly { readonly service: string; readonly state: string }[];
    readonly watches: readonly {
      readonly service: string;
      readonly endpoints: number | undefined;
      readonly stale: { readonly sinceMs: number } | undefined;
    }[];
  };
}

/** What gauges are read from, until it is closed or collected. */
class Live<T extends object> {
  readonly #gone: (value: T) => boolean;
  #refs: WeakRef<T>[] = [];

  constructor(gone: (value: T) => boolean = () => false) {
    this.#gone = gone;
  }

  add(value: T): void {
    // Programs that create transports all the time must not grow because of this.
    if (Number.isInteger(Math.log2(this.#refs.length))) this.#prune();
    this.#refs.push(new WeakRef(value));
  }

  get all(): T[] {
    this.#prune();
    return this.#refs.flatMap((ref) => ref.deref() ?? []);
  }

  #prune(): void {
    this.#refs = this.#refs.filter((ref) => {
      const value = ref.deref();
      return value !== undefined && !this.#gone(value);
    });
  }
}

/** Values by their attributes: those of transports to the same target are added up. */
class Values {
  readonly #values = new Map<string, { attributes: Attributes; value: number }>();

  add(value: number, attributes: Attributes): void {
    const key = JSON.stringify(Object.values(attributes));
    const found = this.#values.get(key);
    if (found === undefined) this.#values.set(key, { attributes, value });
    else found.value += value;
  }

  most(value: number, attributes: Attributes): void {
    this.add(0, attributes);
    const found = this.#values.get(JSON.stringify(Object.values(attributes)))!;
    found.value = Math.max(found.value, value);
  }

  report(observe: Observe): void {
    for (const { attributes, value } of this.#values.values()) observe(value, attributes);
  }
}

/** Gauges of the states of transports and registries, read from their snapshots whenever metrics are collected. */
export class Gauges {
  readonly #transports = new Live<NamedTransport>(({ transport }) => transport.closed);
  readonly #registries = new Live<SnapshottingRegistry>();

  addTransport(transport: NamedTransport): void {
    this.#transports.add(transport);
  }

  addRegistry(registry: SnapshottingRegistry): void {
    this.#registries.add(registry);
  }

  /** Reports to a backend from now on. */
  reportTo(backend: MetricBackend): void {
    const gauge = (metric: MetricDefinition, read: (values: Values) => void) => {
      backend.gauge(metric, (observe) => {
        const values = new Values();
        read(values);
        values.report(observe);
      });
    };
    gauge(STATES.endpoints, (values) => this.#endpoints(values));
    gauge(STATES.heldBack, (values) => this.#heldBack(values));
    gauge(STATES.waiting, (values) => {
      for (const { target, transport } of this.#transports.all) values.add(transport.snapshot().waiting, of(target));
    });
    gauge(STATES.inFlight, (values) => {
      for (const { target, transport } of this.#transports.all) {
        for (const { inFlight } of transport.snapshot().endpoints ?? []) values.add(inFlight, of(target));
      }
    });
    gauge(STATES.panic, (values) => {
      for (const { target, transport } of this.#transports.all) {
        values.most(transport.snapshot().panic ? 1 : 0, of(target));
      }
    });
    gauge(STATES.staleness, (values) => {
      for (const { target, transport } of this.#transports.all) {
        const { stale } = transport.snapshot();
        values.most(stale === undefined ? 0 : (transport.now() - stale.sinceMs) / 1_000, of(target));
      }
    });
    gauge(STATES.registrations, (values) => this.#registrations(values));
    gauge(STATES.watched, (values) => {
      for (const { service, endpoints = 0 } of this.#watches) values.most(endpoints, { "connect_lb.service": service });
    });
    gauge(STATES.watchStaleness, (values) => {
      for (const { service, staleMs } of this.#watches) values.most(staleMs / 1_000, { "connect_lb.service": service });
    });
  }

  #endpoints(values: Values): void {
    for (const { target, transport } of this.#transports.all) {
      for (const { state } of transport.snapshot().endpoints ?? []) {
        values.add(1, { ...of(target), "connect_lb.state": state });
      }
    }
  }

  #heldBack(values: Values): void {
    for (const { target, transport } of this.#transports.all) {
      values.add(0, of(target));
      for (const { state, health, available } of transport.snapshot().endpoints ?? []) {
        // Over fetch, one that has not been called yet is unknown, and gets calls.
        const held = health === "unknown" ? !available : health !== "serving";
        if (state === "ready" && held) values.add(1, of(target));
      }
    }
  }

  #registrations(values: Values): void {
    for (const registry of this.#registries.all) {
      for (const { service, state } of registry.snapshot().registrations) {
        values.add(1, { "connect_lb.service": service, "connect_lb.state": state });
      }
    }
  }

  get #watches() {
    return this.#registries.all.flatMap((registry) => {
      const { nowMs, watches } = registry.snapshot();
      return watches.map(({ service, endpoints, stale }) => ({
        service,
        endpoints,
        staleMs: stale === undefined ? 0 : nowMs - stale.sinceMs,
      }));
    });
  }
}

function of(target: string): Attributes {
  return { "grpc.target": target };
}
