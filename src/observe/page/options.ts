import { type Check, checkOptions, type Checks, clock, kind, listOf, number, wholeNumber } from "../../option.ts";
import type { BalancerEvent } from "../../balancer/event.ts";
import type { RegistrySnapshot } from "../../registry/snapshot.ts";
import type { ServerSnapshot } from "../../server/snapshot.ts";
import type { Clock } from "../../time/clock.ts";
import type { TransportSnapshot } from "../../transport/snapshot.ts";
import type { ReadRecorder } from "./call-rows.ts";
import { isHost } from "./hosts.ts";

/** A transport, as far as it is observed: what `createBalancedTransport` and `createPullTransport` return. */
export interface ObservedTransport {
  snapshot(): TransportSnapshot;
  /** Where its events come from; without it the page notices what changes while somebody looks. */
  subscribe?(listener: (event: BalancerEvent) => void): () => void;
  /** Its flight recorder, which says how long calls took and why they failed. */
  readonly recorder?: ReadRecorder | undefined;
}

/** A server, as far as it is observed: what `createGrpcServer` returns. */
export interface ObservedServer {
  snapshot(): ServerSnapshot;
}

/** A registry, as far as it is observed. */
export interface ObservedRegistry {
  snapshot(): RegistrySnapshot;
}

/** Options of {@link observe}. */
export interface ObserveOptions {
  /** The transports to show. A set or an array to which more are added later shows those, too; so for all three. */
  readonly transports?: Iterable<ObservedTransport>;
  /** The servers to show. */
  readonly servers?: Iterable<ObservedServer>;
  /** The registries whose registrations and watches to show. */
  readonly registries?: Iterable<ObservedRegistry>;
  /**
   * URLs of other programs' pages, such as `http://127.0.0.1:9901/`, whose content to show here, too. They are read while
   * somebody looks.
   */
  readonly pages?: readonly string[];
  /**
   * The names by which the page may be reached, besides those of loopback (`localhost`, `127.0.0.1`, `[::1]`): hosts with
   * or without a port, such as `ops.example` or `10.0.0.5:9000`. Requests for other hosts are refused, because a page on
   * the open web could otherwise read this one through a name of its own that resolves to your machine (DNS rebinding).
   */
  readonly hosts?: readonly string[];
  /** How often a viewer gets what changed, in milliseconds from 250 to 1,000. Defaults to 500. */
  readonly intervalMs?: number;
  /** How many viewers there may be at a time. Further ones are refused, and try again. Defaults to 16. */
  readonly maxViewers?: number;
  /** The clock of times and intervals. Defaults to the runtime's. */
  readonly clock?: Clock;
}

/** @throws TypeError or RangeError for an invalid option */
export function checkObserveOptions(options: ObserveOptions): void {
  checkOptions("observe()", options, OPTIONS);
}

function observed(what: string): Check {
  return kind(`a list or a set of ${what}`, (value) => {
    if (typeof value !== "object" || value === null || !(Symbol.iterator in value)) return false;
    return [...value as Iterable<unknown>].every((item) =>
      typeof (item as { snapshot?: unknown } | null)?.snapshot === "function"
    );
  });
}

const OPTIONS: Checks<ObserveOptions> = {
  transports: observed("transports"),
  servers: observed("servers"),
  registries: observed("registries"),
  pages: listOf('a list of URLs such as "http://127.0.0.1:9901/"', isPage),
  hosts: listOf('a list of hosts such as "ops.example" or "10.0.0.5:9000"', isHost),
  intervalMs: number("milliseconds from 250 to 1000", (value) => value >= 250 && value <= 1_000),
  maxViewers: wholeNumber(1, 1_000),
  clock,
};

function isPage(value: unknown): boolean {
  if (typeof value !== "string" || !URL.canParse(value)) return false;
  const { protocol, username, password } = new URL(value);
  return (protocol === "http:" || protocol === "https:") && username === "" && password === "";
}
