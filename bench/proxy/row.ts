import type { ProxyContender } from "./contender.ts";

/** What a case showed of a proxy: medians of its rounds. */
export interface ProxyRow {
  readonly proxy: ProxyContender["name"];
  readonly on: ProxyContender["on"];
  readonly case: string;
  readonly callsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Its CPU time for a call, or for a message of a server stream. Zero for no proxy at all. */
  readonly proxyCpuUs: number;
  /** The same of the servers behind it. */
  readonly upstreamCpuUs: number;
  /** What the proxy held in memory right after. */
  readonly residentMiB: number;
}

/** What a proxy held in memory while it passed very many calls. */
export interface MemoryRow {
  readonly proxy: ProxyContender["name"];
  readonly on: ProxyContender["on"];
  readonly calls: number;
  /** After equal shares of the calls, in MiB. */
  readonly residentMiB: readonly number[];
}
