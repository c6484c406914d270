import {
  anything,
  type Checks,
  clock as aClock,
  fn,
  kind,
  makes,
  random as aRandom,
  required,
  secret,
  text,
  time,
} from "../option.ts";
import type { RegistryEvent } from "../registry/event.ts";
import type { Layout } from "../registry/layout/layout.ts";
import { type Clock, MAX_DELAY_MS } from "../time/clock.ts";

/** The options of a registry in etcd, whichever driver it uses: how it is reached, and how its keys are spelled. */
export interface EtcdRegistryOptions {
  /** etcd's client URLs: `http://…` or `https://…`, or `host:port`. When one fails, the next one is tried. */
  readonly endpoints: readonly string[];
  /** The spelling of keys and values. Defaults to `grpclb()`. */
  readonly layout?: Layout;
  /** The prefix of the default layout: short for `layout: grpclb({ prefix })`. Defaults to "/grpclb". */
  readonly prefix?: string;
  /** An etcd user; needs `password`. */
  readonly username?: string;
  /** The user's password; needs `username`. The user needs permission to read and write the layout's keys. */
  readonly password?: string;
  /**
   * How long etcd may take to answer a list or to open a watch, in milliseconds, before another endpoint or a new
   * connection is tried. Raise it for an etcd that is far away or overloaded. Defaults to 3,000.
   *
   * A registration's requests may take half of its TTL, but at least this long and, unless this is longer, at most 10
   * s. An authentication may take 60 s, or this if it is longer, because etcd is slow at checking passwords.
   */
  readonly requestTimeoutMs?: number;
  /** Called with every event of the registry. Without it nothing is logged. */
  readonly onEvent?: (event: RegistryEvent) => void;
  /** The clock of all timers. Defaults to the runtime's. */
  readonly clock?: Clock;
  /** Returns a number in [0, 1). Defaults to `Math.random`. */
  readonly random?: () => number;
}

const isLayout = (value: unknown) => {
  const { prefix, write, read } = (value ?? {}) as Partial<Record<keyof Layout, unknown>>;
  return [prefix, write, read].every((method) => typeof method === "function");
};

/** The checks of {@link EtcdRegistryOptions}, for factories that accept further options. */
export const ETCD_REGISTRY_OPTIONS: Checks<EtcdRegistryOptions> = {
  // Checked by `parseEtcdEndpoints`.
  endpoints: required(anything),
  layout: makes("a layout, such as goZero()", isLayout),
  prefix: text,
  username: kind("a non-empty string", (value) => typeof value === "string" && value !== ""),
  password: secret("a string", (value) => typeof value === "string"),
  requestTimeoutMs: time(
    `milliseconds above 0, at most ${MAX_DELAY_MS}`,
    (timeoutMs) => timeoutMs > 0 && timeoutMs <= MAX_DELAY_MS,
  ),
  onEvent: fn("a function, (event) => void"),
  clock: aClock,
  random: aRandom,
};

/**
 * Checks which options are given together; each by itself is checked by {@link ETCD_REGISTRY_OPTIONS}.
 *
 * @throws TypeError
 */
export function checkTogether({ layout, prefix, username, password }: EtcdRegistryOptions): void {
  if (layout !== undefined && prefix !== undefined) {
    throw new TypeError("option prefix belongs to the default layout: leave out prefix or layout");
  }
  if ((username === undefined) !== (password === undefined)) {
    throw new TypeError("options username and password belong together: give both or neither");
  }
}
