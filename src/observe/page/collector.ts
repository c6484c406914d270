import { endpointIdentity } from "../../endpoint.ts";
import { guarded } from "../../listener.ts";
import { callRows, recordedLatencies } from "./call-rows.ts";
import { endpointRow, serviceRow, unreadable } from "./endpoint-rows.ts";
import type { ObservedRegistry, ObservedServer, ObservedTransport, ObserveOptions } from "./options.ts";
import { localTime } from "./local-time.ts";
import { OtherPages } from "./other-pages.ts";
import { registrationRow, serverRow, unreadableRegistry, unreadableServer, watchRow } from "./registry-rows.ts";
import {
  type CallRow,
  type EndpointRow,
  type PageState,
  type RegistrationRow,
  type ServerRow,
  type ServiceRow,
  TABLES,
  type WatchRow,
} from "./state.ts";
import type { Timeline } from "./timeline.ts";

/** What can be read. */
type Observable = Pick<ObserveOptions, "transports" | "servers" | "registries" | "pages">;

/** What is filled by reading one source after the other. */
interface Tables {
  readonly services: Record<string, ServiceRow>;
  readonly endpoints: Record<string, EndpointRow>;
  readonly servers: Record<string, ServerRow>;
  readonly registrations: Record<string, RegistrationRow>;
  readonly watches: Record<string, WatchRow>;
  readonly calls: Record<string, CallRow>;
}

/** After a longer pause, what changed meanwhile did not happen now. */
const LONG_AGO_MS = 10_000;

/** Reads the state of all that is observed, by snapshots. */
export class Collector {
  readonly #observed: Observable;
  readonly #timeline: Timeline;
  readonly #pages: OtherPages;
  /** Ids of transports, servers and registries, which stay the same. */
  readonly #ids = new WeakMap<object, string>();
  #id = 0;
  #last: PageState | undefined;
  /** The same without other programs' pages. */
  #own: PageState | undefined;
  /** Ends what is subscribed to, by transport. */
  readonly #subscribed = new Map<ObservedTransport, () => void>();

  constructor(observed: Observable, timeline: Timeline) {
    this.#observed = observed;
    this.#pages = new OtherPages(observed.pages ?? []);
    this.#timeline = timeline;
  }

  /** Hears of what happens to transports while nobody looks, too: of those that are there, and no longer of others. */
  subscribe(): void {
    const transports = new Set(this.#observed.transports);
    for (const [transport, end] of this.#subscribed) {
      if (transports.has(transport)) continue;
      this.#subscribed.delete(transport);
      guarded("the end of a transport's subscription", end);
    }
    for (const transport of transports) {
      if (this.#subscribed.has(transport) || transport.subscribe === undefined) continue;
      guarded("subscribe of a transport", () => {
        const end = transport.subscribe!((event) => this.#timeline.note(event));
        this.#subscribed.set(transport, end);
      });
    }
  }

  /** Hears of nothing more. */
  close(): void {
    for (const end of this.#subscribed.values()) guarded("the end of a transport's subscription", end);
    this.#subscribed.clear();
  }

  /** The state now, or one that is no older than `maxAgeMs`. */
  state(nowMs: number, maxAgeMs: number): PageState {
    const last = this.#last;
    if (last !== undefined && nowMs - last.nowMs < maxAgeMs) return last;
    this.subscribe();
    const { transports = [], servers = [], registries = [] } = this.#observed;
    const tables: Tables = { services: {}, endpoints: {}, servers: {}, registrations: {}, watches: {}, calls: {} };
    for (const transport of transports) this.#readTransport(transport, nowMs, tables);
    for (const server of servers) this.#readServer(server, tables);
    for (const registry of registries) this.#readRegistry(registry, nowMs, tables);
    const state = { nowMs: Math.round(nowMs), ...tables };
    const before = this.#own;
    if (before !== undefined && nowMs - before.nowMs < LONG_AGO_MS) this.#timeline.compare(before, state);
    const own = { ...state, events: this.#timeline.table };
    this.#own = own;
    return this.#last = withOthers(own, this.#pages.states(nowMs));
  }

  #readTransport(transport: ObservedTransport, nowMs: number, tables: Tables): void {
    const id = this.#idOf(transport);
    try {
      const snapshot = transport.snapshot(), { recorder } = transport;
      const local = localTime(nowMs, snapshot.nowMs);
      const latencies = recorder && recordedLatencies(snapshot.target, recorder);
      tables.services[id] = serviceRow(snapshot, local, latencies?.calls);
      for (const endpoint of snapshot.endpoints ?? []) {
        const of = latencies?.attempts.get(endpoint.endpoint.address);
        tables.endpoints[`${id} ${endpointIdentity(endpoint.endpoint)}`] = endpointRow(id, endpoint, local, of);
      }
      if (recorder !== undefined) Object.assign(tables.calls, callRows(id, snapshot.target, recorder));
    } catch (error) {
      tables.services[id] = unreadable(error);
    }
  }

  #readServer(server: ObservedServer, tables: Tables): void {
    try {
      tables.servers[this.#idOf(server)] = serverRow(server.snapshot());
    } catch (error) {
      tables.servers[this.#idOf(server)] = unreadableServer(error);
    }
  }

  #readRegistry(registry: ObservedRegistry, nowMs: number, tables: Tables): void {
    const id = this.#idOf(registry);
    try {
      const { nowMs: otherNowMs, registrations, watches } = registry.snapshot();
      const local = localTime(nowMs, otherNowMs);
      for (const registration of registrations) {
        tables.registrations[`${id} ${registration.service} ${registration.address}`] = registrationRow(
          registration,
          local,
        );
      }
      for (const watch of watches) tables.watches[`${id} ${watch.service}`] = watchRow(watch, local);
    } catch (error) {
      tables.watches[id] = unreadableRegistry(error);
    }
  }

  #idOf(observed: object): string {
    let id = this.#ids.get(observed);
    if (id === undefined) this.#ids.set(observed, id = `o${++this.#id}`);
    return id;
  }
}

/** The tables of several programs as one. Their ids differ. */
function withOthers(own: PageState, others: readonly Partial<PageState>[]): PageState {
  if (others.length === 0) return own;
  const tables = TABLES.map((name) => [name, Object.assign({}, own[name], ...others.map((other) => other[name]))]);
  return { ...own, ...Object.fromEntries(tables) as Omit<PageState, "nowMs"> };
}
