// What is observed in tests of the page, without transports, servers and registries behind it.
import { type Clock, systemClock } from "../../../src/time/clock.ts";
import type { EndpointSnapshot, TransportSnapshot } from "../../../src/transport/snapshot.ts";

/** An endpoint that is ready, and what is different. */
export function endpoint(address: string, more: Partial<EndpointSnapshot> = {}): EndpointSnapshot {
  return {
    id: 1,
    endpoint: { address },
    state: "ready",
    stateSinceMs: 0,
    sinceMs: 0,
    available: true,
    health: "serving",
    ejected: undefined,
    restricted: false,
    inFlight: 0,
    picks: 0,
    succeeded: 0,
    failed: 0,
    abandoned: 0,
    openings: { succeeded: 1, failed: 0 },
    sockets: [],
    lastError: undefined,
    policy: undefined,
    ...more,
  };
}

/** A transport whose snapshot is what a test says. */
export class FakeTransport {
  readonly clock: Clock;
  target = "simple_grpc";
  endpoints: readonly EndpointSnapshot[] | undefined = [endpoint("10.0.0.1:8000"), endpoint("10.0.0.2:8000")];
  stale: TransportSnapshot["stale"] = undefined;
  waiting = 0;
  calls = { started: 0, succeeded: 0, failed: 0, abandoned: 0 };
  panic = false;
  /** How often it was read. */
  reads = 0;

  constructor(clock: Clock = systemClock) {
    this.clock = clock;
  }

  snapshot(): TransportSnapshot {
    this.reads++;
    const { target, endpoints, stale, waiting, panic, calls } = this;
    return { target, nowMs: this.clock.now(), state: "ready", calls, endpoints, stale, waiting, panic };
  }

  /** Replaces what an endpoint says. */
  change(address: string, more: Partial<EndpointSnapshot>): void {
    this.endpoints = this.endpoints?.map((each) => each.endpoint.address === address ? { ...each, ...more } : each);
  }
}
