import { type Fetch, type Fetcher, isFetch } from "../fetcher.ts";
import {
  type Check,
  type Checks,
  clock as aClock,
  fn,
  kind,
  listOf,
  random as aRandom,
  secret,
  text,
  time,
} from "../option.ts";
import type { RegistryEvent } from "../registry/event.ts";
import type { Clock } from "../time/clock.ts";

/** Options of {@link createConsulRegistry}. */
export interface ConsulRegistryOptions {
  /** The URL of the local agent's HTTP API. Defaults to `http://127.0.0.1:8500`. */
  readonly agent?: string;
  /** An ACL token, or a function that returns the current one for each request. Sent as `X-Consul-Token`. */
  readonly token?: string | (() => string | Promise<string>);
  /** The datacenter that services are resolved in. Defaults to the agent's. Registrations are always in the agent's. */
  readonly datacenter?: string;
  /** The tags that servers are registered with, and that endpoints must have. Defaults to none. */
  readonly tags?: readonly string[];
  /**
   * The key of the zone in the metadata of a service's instance, or else of its node. Defaults to `zone`.
   */
  readonly zoneKey?: string;
  /**
   * How long a query waits for a change, in milliseconds: from 1,000 to 240,000, because Node's `fetch` gives up after
   * 300,000. Defaults to 60,000. Consul: `wait`.
   */
  readonly waitMs?: number;
  /**
   * The `fetch` to use, or an object that has one: `httpsFetch({ ca })` of `connect-lb/node` for an agent with TLS.
   * Defaults to the runtime's.
   */
  readonly fetch?: Fetch | Fetcher;
  /** Called with every event of the registry. Without it nothing is logged. */
  readonly onEvent?: (event: RegistryEvent) => void;
  /** The clock of all timers. Defaults to the runtime's. */
  readonly clock?: Clock;
  /** Returns a number in [0, 1). Defaults to `Math.random`. */
  readonly random?: () => number;
}

const aToken: Check = (name, value) => {
  if (typeof value !== "function") {
    secret("a token without white space, or a function that returns one", isToken)(name, value);
  }
};

/** The checks of {@link ConsulRegistryOptions}. */
export const CONSUL_OPTIONS: Checks<ConsulRegistryOptions> = {
  agent: secret('the URL of an agent, such as "http://127.0.0.1:8500"', isAgent),
  token: aToken,
  datacenter: text,
  tags: listOf("an array of tags", (item) => typeof item === "string" && item !== ""),
  zoneKey: text,
  waitMs: time("milliseconds from 1000 to 240000", (value) => value >= 1_000 && value <= 240_000),
  fetch: kind("a function like fetch, or an object with such a method", isFetch),
  onEvent: fn("a function, (event) => void"),
  clock: aClock,
  random: aRandom,
};

/** Whether it can be sent as a header. */
export function isToken(value: unknown): value is string {
  return typeof value === "string" && /^[\x21-\x7e]+$/.test(value);
}

function isAgent(value: unknown): boolean {
  if (typeof value !== "string" || !URL.canParse(value)) return false;
  const { protocol, username, password, search, hash } = new URL(value);
  return /^https?:$/.test(protocol) && username + password + search + hash === "";
}
