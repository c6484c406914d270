import { textOf } from "../../error-text.ts";
import type { RegistrationSnapshot, WatchSnapshot } from "../../registry/snapshot.ts";
import type { ServerSnapshot } from "../../server/snapshot.ts";
import { shownText } from "../../shown-text.ts";
import type { RegistrationRow, ServerRow, WatchRow } from "./state.ts";
import type { LocalTime } from "./local-time.ts";

/** A server's row. */
export function serverRow({ addresses, state, connections, inFlight, calls }: ServerSnapshot): ServerRow {
  return {
    ...NO_SERVER,
    listens: shownText(addresses.join(", ")),
    state,
    connections: connections.length,
    inFlight,
    calls: calls.started,
    failed: calls.failed,
  };
}

/** The row of a server that can't be read. */
export function unreadableServer(error: unknown): ServerRow {
  return { ...NO_SERVER, listens: "(unreadable)", problem: shownText(textOf(error)) };
}

const NO_SERVER: ServerRow = {
  program: null,
  listens: "",
  state: "",
  connections: 0,
  inFlight: 0,
  calls: 0,
  failed: 0,
  problem: null,
};

/** A registration's row. */
export function registrationRow(registration: RegistrationSnapshot, local: LocalTime): RegistrationRow {
  const { service, address, state, sinceMs, ttlSeconds, renewedMs, key, lastError } = registration;
  return {
    program: null,
    service: shownText(service),
    address: shownText(address),
    state,
    sinceMs: local(sinceMs),
    ttlSeconds,
    renewedMs: renewedMs === undefined ? null : local(renewedMs),
    key: key === undefined ? null : shownText(key),
    lastError: lastError === undefined ? null : shownText(lastError),
  };
}

/** The row of a service that is watched. */
export function watchRow({ service, endpoints, stale }: WatchSnapshot, local: LocalTime): WatchRow {
  return {
    program: null,
    service: shownText(service),
    endpoints: endpoints ?? null,
    stale: stale === undefined ? null : shownText(stale.cause),
    staleSinceMs: stale === undefined ? null : local(stale.sinceMs),
  };
}

/** The row of a registry that can't be read. */
export function unreadableRegistry(error: unknown): WatchRow {
  const why = shownText(textOf(error));
  return { program: null, service: "(unreadable)", endpoints: null, stale: why, staleSinceMs: null };
}
