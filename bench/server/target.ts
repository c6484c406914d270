import { type Runtime, RUNTIMES } from "../process.ts";
import type { ServerContender } from "./contender.ts";
import type { IdleRow, ServerRow } from "./row.ts";

type Find = (
  server: ServerContender["name"],
  runtime: ServerContender["runtime"],
  name: string,
) => ServerRow | undefined;

/** A ratio that the project sets its server, on each runtime. */
interface ServerTarget {
  readonly name: string;
  atMost(runtime: Runtime): number;
  ratio(runtime: Runtime, find: Find, idle: readonly IdleRow[]): number | undefined;
}

const serverCpu = (row: ServerRow | undefined) => row?.serverCpuUs;
const bothCpu = (row: ServerRow | undefined) =>
  row === undefined || row.clientCpuUs === null ? undefined : row.serverCpuUs + row.clientCpuUs;

/** This library's CPU time on a case ÷ a peer's, which runs on the same runtime, or in Go. */
function cpu(
  title: string,
  name: string,
  peer: ServerContender["name"],
  most: number | ((runtime: Runtime) => number),
  of: (row: ServerRow | undefined) => number | undefined = serverCpu,
): ServerTarget {
  return {
    name: `${title} ÷ ${peer}`,
    atMost: (runtime) => typeof most === "number" ? most : most(runtime),
    ratio(runtime, find) {
      const mine = of(find("connect-lb", runtime, name));
      const theirs = of(find(peer, peer === "grpc-go" ? "go" : runtime, name));
      return mine === undefined || theirs === undefined ? undefined : mine / theirs;
    },
  };
}

const TARGETS: readonly ServerTarget[] = [
  cpu("CPU per unary call of 16 B, 64 in flight", "unary-16B-c64", "grpc-go", 0.35),
  cpu("CPU per unary call of 16 B, 1 in flight", "unary-16B-c1", "grpc-go", 0.75),
  cpu("CPU per unary call with a deadline and ten header fields, 64 in flight", "unary-16B-c64-fields", "grpc-go", 0.5),
  cpu("CPU per unary call of 16 B, 64 in flight", "unary-16B-c64", "grpc-js", 0.12),
  cpu("CPU per unary call of 16 B, 64 in flight", "unary-16B-c64", "connect-node", (on) => on === "bun" ? 0.04 : 0.03),
  cpu("CPU per message of a server stream, 16 B", "server-stream-16B-c8", "grpc-go", 1),
  cpu("CPU of both ends, 64 calls in flight", "round-trip-c64", "grpc-go", 0.35, bothCpu),
  cpu("CPU of both ends, 1 call in flight", "round-trip-c1", "grpc-go", 0.75, bothCpu),
  {
    name: "memory of an idle connection ÷ grpc-go",
    atMost: () => 1.2,
    ratio(runtime, _, idle) {
      const of = (server: string, on: string) =>
        idle.find((row) => row.server === server && row.runtime === on)?.bytesPerConnection;
      const mine = of("connect-lb", runtime), theirs = of("grpc-go", "go");
      return mine === undefined || theirs === undefined ? undefined : mine / theirs;
    },
  },
];

/** How a target was met on one runtime. */
export interface ServerVerdict {
  readonly name: string;
  readonly runtime: Runtime;
  readonly atMost: number;
  /** Undefined: not measured in this run. */
  readonly ratio: number | undefined;
  readonly met: boolean | undefined;
}

/** Holds all targets against what a run has shown. */
export function judgeServers(rows: readonly ServerRow[], idle: readonly IdleRow[]): ServerVerdict[] {
  const find: Find = (server, runtime, name) =>
    rows.find((row) => row.server === server && row.runtime === runtime && row.case === name);
  return TARGETS.flatMap((target) =>
    RUNTIMES.map((runtime) => {
      const ratio = target.ratio(runtime, find, idle), atMost = target.atMost(runtime);
      return { name: target.name, runtime, atMost, ratio, met: ratio === undefined ? undefined : ratio <= atMost };
    })
  );
}
