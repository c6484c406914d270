import type { Micro } from "./micro/run.ts";
import type { Runtime } from "./process.ts";
import type { Row } from "./row.ts";

/** A ratio that the project sets itself, on each runtime. */
interface Target {
  readonly name: string;
  readonly atLeast?: number;
  readonly atMost?: number;
  ratio(of: (contender: string, name: string) => Row | undefined, micro: Micro | undefined): number | undefined;
}

function calls(name: string, contender: string, peer: string, atLeast: number): Target {
  return {
    name: `${name}: ${contender} ÷ ${peer}`,
    atLeast,
    ratio(of) {
      const mine = of(contender, name), theirs = of(peer, name);
      return mine && theirs && mine.callsPerSecond / theirs.callsPerSecond;
    },
  };
}

const TARGETS: readonly Target[] = [
  calls("unary-16B-c64", "connect-lb", "grpc-js", 8),
  calls("unary-16B-c64", "connect-lb", "connect-node", 15),
  calls("unary-16B-c64", "connect-lb", "bare", 3.5),
  calls("unary-4KiB-c64", "connect-lb", "grpc-js", 3),
  {
    name: "unary-16B-c1: CPU per call, connect-lb ÷ grpc-js",
    atMost: 0.5,
    ratio(of) {
      const mine = of("connect-lb", "unary-16B-c1")?.cpuUsPerCall, theirs = of("grpc-js", "unary-16B-c1")?.cpuUsPerCall;
      return mine && theirs ? mine / theirs : undefined;
    },
  },
  calls("unary-16B-c64-turns", "connect-lb", "connect-lb-direct", 0.9),
  calls("server-stream-16B", "connect-lb", "grpc-js", 2.5),
  calls("bidi-16", "connect-lb", "grpc-js", 1.5),
  {
    name: "pick at 10,000 endpoints ÷ at 10, worst of all policies",
    atMost: 1.5,
    ratio: (_, micro) => micro && Math.max(...micro.picks.map(({ among10, among10000 }) => among10000 / among10)),
  },
];

/** How a target was met on one runtime. */
export interface Verdict {
  readonly name: string;
  readonly runtime: Runtime;
  readonly bound: string;
  /** Undefined: not measured in this run. */
  readonly ratio: number | undefined;
  readonly met: boolean | undefined;
}

/** Holds all targets against what a run has shown. */
export function judge(
  rows: readonly Row[],
  micros: ReadonlyMap<Runtime, Micro>,
  runtimes: readonly Runtime[],
): Verdict[] {
  return TARGETS.flatMap((target) =>
    runtimes.map((runtime) => {
      const of = (contender: string, name: string) =>
        rows.find((row) => row.runtime === runtime && row.contender === contender && row.case === name);
      const ratio = target.ratio(of, micros.get(runtime));
      const met = ratio === undefined
        ? undefined
        : ratio >= (target.atLeast ?? -Infinity) && ratio <= (target.atMost ?? Infinity);
      const bound = target.atLeast !== undefined ? `≥ ${target.atLeast}` : `≤ ${target.atMost}`;
      return { name: target.name, runtime, bound, ratio, met };
    })
  );
}
