// Compares two servers by pairs of processes that take turns: what a part of this library costs a server.
import { median } from "../row.ts";
import type { Runtime } from "../process.ts";
import type { ServerCase } from "./case.ts";
import { type ServerContender, startServer } from "./contender.ts";
import { startLoad } from "./load.ts";
import { cpuUs } from "./proc.ts";

/** What to compare, and for how long. */
export interface PairPlan {
  readonly names: readonly [ServerContender["name"], ServerContender["name"]];
  readonly runtime: Runtime;
  readonly which: ServerCase;
  /** Pairs of processes, since one process's compiler may be luckier than another's. */
  readonly pairs: number;
  /** For each server of a pair. */
  readonly turns: number;
  readonly turnMs: number;
}

/** How many turns a server has before those that count. */
const WARM_UP_TURNS = 6;

/** The CPU time of a call to the first server as a multiple of one to the second, for each pair. */
export async function comparePairs(plan: PairPlan): Promise<readonly number[]> {
  const ratios: number[] = [];
  for (let i = 0; i < plan.pairs; i++) ratios.push(await ratioOfPair(plan));
  return ratios;
}

async function ratioOfPair({ names, runtime, which, turns, turnMs }: PairPlan): Promise<number> {
  const started: Awaited<ReturnType<typeof start>>[] = [];
  try {
    for (const name of names) started.push(await start({ name, runtime }, which, turnMs));
    for (let turn = 0; turn < WARM_UP_TURNS; turn++) for (const { cpuOfCall } of started) await cpuOfCall();
    const ratios: number[] = [];
    for (let turn = 0; turn < turns; turn++) {
      // In the order ABBA, so that neither is always first.
      const first = turn % 2;
      const a = await started[first]!.cpuOfCall(), b = await started[1 - first]!.cpuOfCall();
      ratios.push(first === 0 ? a / b : b / a);
    }
    return median(ratios);
  } finally {
    for (const { end } of started) await end();
  }
}

async function start(contender: ServerContender, which: ServerCase, turnMs: number) {
  const server = await startServer(contender), source = await startLoad(server, which);
  return {
    async cpuOfCall(): Promise<number> {
      const beforeUs = cpuUs(server.pid), { calls } = await source.run(which, turnMs);
      return (cpuUs(server.pid) - beforeUs) / calls;
    },
    async end(): Promise<void> {
      await source.end();
      await server.process.end();
    },
  };
}
