import { textOf } from "../../error-text.ts";
import { shownText } from "../../shown-text.ts";
import type { EndpointSnapshot, TransportSnapshot } from "../../transport/snapshot.ts";
import type { Latencies } from "./latencies.ts";
import type { LocalTime } from "./local-time.ts";
import type { EndpointRow, ServiceRow } from "./state.ts";

/** A transport's own row. */
export function serviceRow(
  snapshot: TransportSnapshot,
  local: LocalTime,
  latencies: Latencies | undefined,
): ServiceRow {
  const { target, calls, endpoints, waiting, panic, stale } = snapshot;
  return {
    ...EMPTY,
    target: target === "" ? "(a list of endpoints)" : shownText(target),
    known: endpoints !== undefined,
    calls: calls.started,
    failed: calls.failed,
    abandoned: calls.abandoned,
    waiting,
    panic,
    stale: stale === undefined ? null : shownText(textOf(stale.cause)),
    staleSinceMs: stale === undefined ? null : local(stale.sinceMs),
    recorded: latencies !== undefined,
    ...latencies?.percentiles(),
  };
}

/** The row of a transport that can't be read. */
export function unreadable(error: unknown): ServiceRow {
  return { ...EMPTY, target: "(unreadable)", problem: shownText(textOf(error)) };
}

const EMPTY: ServiceRow = {
  target: "",
  program: null,
  known: false,
  calls: 0,
  failed: 0,
  abandoned: 0,
  waiting: 0,
  panic: false,
  stale: null,
  staleSinceMs: null,
  recorded: false,
  p50Ms: null,
  p99Ms: null,
  problem: null,
};

/** One endpoint's row: what its transport says, and the latencies of its recorded attempts. */
export function endpointRow(
  service: string,
  snapshot: EndpointSnapshot,
  local: LocalTime,
  latencies: Latencies | undefined,
): EndpointRow {
  const { endpoint, state, stateSinceMs, available, health, ejected, restricted } = snapshot;
  const { inFlight, picks, failed, abandoned, lastError, policy } = snapshot;
  const { address, authority, secure, zone, weight } = endpoint;
  const { p50Ms, p99Ms } = latencies?.percentiles() ?? { p50Ms: null, p99Ms: null };
  return {
    service,
    address: shownText(address),
    authority: authority === undefined ? null : shownText(authority),
    secure: secure ?? null,
    zone: zone === undefined ? null : shownText(zone),
    weight: weight ?? null,
    state,
    sinceMs: local(stateSinceMs),
    available,
    health: shownText(ejected?.why ?? textOf(health)),
    ejectedForS: ejected === undefined ? null : Math.ceil(ejected.forMs / 1_000),
    restricted,
    inFlight,
    attempts: picks,
    failed,
    abandoned,
    p50Ms,
    p99Ms,
    lastError: lastError === undefined ? null : shownText(textOf(lastError)),
    policy: policy === undefined ? null : policyText(policy),
  };
}

/** `weight 2, share 0.333`. */
function policyText(policy: NonNullable<EndpointSnapshot["policy"]>): string {
  const shown = (value: unknown) => typeof value === "number" ? Number(value.toPrecision(3)) : value;
  const parts = Object.entries(policy).filter(([, value]) => value !== undefined);
  return shownText(parts.map(([name, value]) => `${name} ${shown(value)}`).join(", "), 400);
}
