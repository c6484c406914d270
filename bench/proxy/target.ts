import { type Runtime, RUNTIMES } from "../process.ts";
import { PROXY_CASES } from "./case.ts";
import type { ProxyContender } from "./contender.ts";
import type { MemoryRow, ProxyRow } from "./row.ts";

/** The proxies that this library's is to be no worse than. */
const PEERS: readonly Peer[] = ["nginx", "HAProxy"];
type Peer = Extract<ProxyContender["name"], "nginx" | "HAProxy">;

/** How this library's proxy compares with a peer, on one runtime and in one case. */
export interface ProxyVerdict {
  readonly case: string;
  readonly peer: Peer;
  readonly on: Runtime;
  /** Calls per second of the proxy's CPU time ÷ the peer's: at least 1. */
  readonly callsPerCpuSecond: number;
  /** What the proxy adds to the p50 of calls without a proxy, and what the peer adds, in milliseconds. */
  readonly addedP50Ms: number;
  readonly peersAddedP50Ms: number;
}

/** Calls, or messages of server streams, for each second of the proxy's CPU time. */
export function perCpuSecond({ proxyCpuUs }: ProxyRow): number {
  return 1e6 / proxyCpuUs;
}

/** What a proxy adds to the p50 of calls that go directly, in milliseconds; undefined if those were not measured. */
export function addedP50Ms(row: ProxyRow, rows: readonly ProxyRow[]): number | undefined {
  const direct = rows.find((one) => one.proxy === "direct" && one.case === row.case);
  return direct === undefined ? undefined : row.p50Ms - direct.p50Ms;
}

/** Holds this library's proxy against its peers. */
export function judgeProxies(rows: readonly ProxyRow[]): ProxyVerdict[] {
  return PROXY_CASES.flatMap(({ name }) =>
    PEERS.flatMap((peer) =>
      RUNTIMES.flatMap((on) => {
        const mine = rows.find((row) => row.proxy === "connect-lb" && row.on === on && row.case === name);
        const theirs = rows.find((row) => row.proxy === peer && row.case === name);
        if (mine === undefined || theirs === undefined) return [];
        return [{
          case: name,
          peer,
          on,
          callsPerCpuSecond: perCpuSecond(mine) / perCpuSecond(theirs),
          addedP50Ms: addedP50Ms(mine, rows) ?? NaN,
          peersAddedP50Ms: addedP50Ms(theirs, rows) ?? NaN,
        }];
      })
    )
  );
}

/** Whether it needs no more CPU time than the peer. */
export function cheapEnough({ callsPerCpuSecond }: ProxyVerdict): boolean {
  return callsPerCpuSecond >= 1;
}

/** Whether it adds no more to a call's time than the peer. */
export function fastEnough({ addedP50Ms, peersAddedP50Ms }: ProxyVerdict): boolean {
  return addedP50Ms <= peersAddedP50Ms;
}

/** What memory may grow by between the first and the last third of very many calls: collectors are not exact. */
const GROWTH_SHARE = 0.1, GROWTH_MIB = 8;

/** How much more a proxy held at last than at first, in MiB. */
export function grownMiB({ residentMiB }: MemoryRow): number {
  const third = Math.ceil(residentMiB.length / 3);
  return Math.min(...residentMiB.slice(-third)) - Math.max(...residentMiB.slice(0, third));
}

/** Whether its memory stayed as it was. */
export function flatEnough(row: MemoryRow): boolean {
  return grownMiB(row) <= Math.max(GROWTH_MIB, GROWTH_SHARE * row.residentMiB[0]!);
}
