// Resolving names in the DNS.

import { isIPv6 } from "node:net";
import { type Endpoint, type HostAndPort, parseAddress } from "../../endpoint.ts";
import {
  checkOptions,
  type Checks,
  clock as aClock,
  kind,
  listOf,
  quoted,
  random as aRandom,
  time,
} from "../../option.ts";
import { pollingResolver } from "../../resolver/polling.ts";
import type { Resolver } from "../../resolver/resolver.ts";
import type { Clock } from "../../time/clock.ts";
import { type DnsLookup, isNotFound, serverLookup, type SrvRecord, systemLookup } from "./lookup.ts";

/** The minimum time between two lookups of a resolver, in milliseconds, whatever triggers them. */
const MIN_INTERVAL_MS = 5_000;
/** How long a lookup may take, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** Options of {@link dnsResolver}. */
export interface DnsResolverOptions {
  /** How often the name is looked up, in milliseconds. At least 5,000; defaults to 30,000. */
  readonly intervalMs?: number;
  /**
   * Reads SRV records (RFC 2782), which name ports, weights and priorities: true for `_grpc._tcp.<name>`, or a string
   * to use instead of `_grpc._tcp`. Defaults to false: A and AAAA records.
   */
  readonly srv?: boolean | string;
  /** DNS servers to query, such as `127.0.0.1:8600` for Consul's. Defaults to the system's lookup, with /etc/hosts. */
  readonly servers?: readonly string[];
  /** Looks names up instead of the system. */
  readonly lookup?: DnsLookup;
  /** Defaults to the runtime's. */
  readonly clock?: Clock;
  /** Returns a number in [0, 1). Defaults to `Math.random`. */
  readonly random?: () => number;
}

/**
 * Resolves a DNS name: `dnsResolver("api.example.com:8000")`, or, with SRV records that give the ports,
 * `dnsResolver("api.example.com", { srv: true })`. Each IP address is an endpoint whose authority is the name it was
 * found under, so that TLS certificates and servers see the name.
 *
 * The name is looked up at an interval, and sooner when a connection fails, but never twice within 5 s. When the lookup
 * fails or finds no more records, the last set stays in use, marked as stale. Of SRV records, only those of the lowest
 * priority are used; their weights become the endpoints', shared by the addresses of a target (a weight of 0 counts as
 * 1).
 *
 * @throws TypeError or RangeError for an invalid target or option; the message names it.
 */
export function dnsResolver(target: string | HostAndPort, options: DnsResolverOptions = {}): Resolver {
  checkOptions("dnsResolver()", options, OPTIONS);
  const { intervalMs, srv = false, servers, clock, random } = options;
  const lookup = options.lookup ?? (servers === undefined ? systemLookup() : serverLookup(servers));
  const read = srv === false ? hostReader(target, lookup) : serviceReader(target, srv, lookup);
  const name = typeof target === "string" ? target : `${target.host}:${target.port}`;
  const resolver = pollingResolver({
    target: name,
    label: `the DNS lookup of ${name}`,
    async poll() {
      const endpoints = await read();
      // Servers that were there may still be: an empty response is no reason to drop them.
      if (endpoints.length === 0) throw new Error("there are no records");
      return { endpoints };
    },
    minIntervalMs: MIN_INTERVAL_MS,
    timeoutMs: TIMEOUT_MS,
    ...intervalMs !== undefined && { intervalMs },
    ...clock !== undefined && { clock },
    ...random !== undefined && { random },
  });
  return { ...resolver, scheme: "dns" };
}

const OPTIONS: Checks<DnsResolverOptions> = {
  intervalMs: time(
    `milliseconds, at least ${MIN_INTERVAL_MS}`,
    (value) => value >= MIN_INTERVAL_MS && value < Infinity,
  ),
  srv: kind(
    'true, false or a service and a protocol such as "_grpc._tcp"',
    (value) => typeof value === "boolean" || (typeof value === "string" && /^_[\w-]+\._(tcp|udp)$/.test(value)),
  ),
  servers: listOf('an array of addresses such as "127.0.0.1:8600"', (item) => typeof item === "string"),
  lookup: kind("a lookup, { addresses(host), services(name) }", (value) => {
    const { addresses, services } = (value ?? {}) as Partial<Record<keyof DnsLookup, unknown>>;
    return typeof addresses === "function" && typeof services === "function";
  }),
  clock: aClock,
  random: aRandom,
};

type Read = () => Promise<readonly Endpoint[]>;

function hostReader(target: string | HostAndPort, lookup: DnsLookup): Read {
  const given = typeof target === "string" ? target : `${bracketed(target?.host)}:${target?.port}`;
  const { host, port } = parseAddress(given);
  return async () =>
    (await lookup.addresses(host)).map((ip) => ({
      address: `${bracketed(ip)}:${port}`,
      authority: `${bracketed(host)}:${port}`,
    }));
}

function serviceReader(target: string | HostAndPort, srv: true | string, lookup: DnsLookup): Read {
  const prefix = srv === true ? "_grpc._tcp" : srv;
  if (typeof target !== "string" || target.includes(":")) {
    throw new TypeError(`target ${quoted(target)}: expected a name without a port, as SRV records contain it`);
  }
  // With any port, to check the name.
  parseAddress(`${target}:1`);
  return async () => {
    const records = await lookup.services(`${prefix}.${target}`);
    const priority = Math.min(...records.map((record) => record.priority));
    const chosen = records.filter((record) => record.priority === priority);
    return (await Promise.all(chosen.map((record) => targets(record, lookup)))).flat();
  };
}

async function targets({ name, port, weight }: SrvRecord, lookup: DnsLookup): Promise<Endpoint[]> {
  const host = name.replace(/\.$/, "");
  const authority = `${bracketed(host)}:${port}`;
  if (!isAddress(authority)) return [];
  // A record without addresses is skipped; one whose lookup fails must not remove its servers from the set.
  const ips = await lookup.addresses(host).catch((error: unknown) => {
    if (isNotFound(error)) return [];
    throw error;
  });
  return ips.map((ip) => ({
    address: `${bracketed(ip)}:${port}`,
    authority,
    weight: Math.max(1, weight) / ips.length,
  }));
}

/** Records can contain anything: those that can't be dialled, such as "." or port 0, are skipped. */
function isAddress(address: string): boolean {
  try {
    parseAddress(address);
    return true;
  } catch {
    return false;
  }
}

const bracketed = (host: string) => (isIPv6(host) ? `[${host}]` : host);
