import { type Case, CASES } from "./case.ts";
import type { Addresses } from "./kind.ts";
import type { Measurement } from "./load.ts";
import { type Lines, type Runtime, START_MS, startScript } from "./process.ts";
import { median, type Row } from "./row.ts";

/** How long and how often to measure. */
export interface Plan {
  readonly rounds: number;
  readonly measureMs: number;
  readonly warmUpMs: number;
  /** How many turns of how long contenders have in each round where they take turns. */
  readonly turns: number;
  readonly turnMs: number;
  readonly cases: readonly Case[];
  readonly contenders: readonly string[];
  /** Cases for which allocations are measured. */
  readonly heapCases: readonly Case[];
}

/** What a run on one runtime gave. */
export interface RuntimeResult {
  readonly rows: readonly Row[];
  /** Contenders or cases that did not work, with why. */
  readonly failures: readonly string[];
}

type Answer<T> = T | { error: string };

/**
 * Measures all contenders on one runtime. Their processes stay for all rounds, but only one of them works at a time; each
 * round goes through all contenders and cases in a random order of its own, so that a slow moment of the machine hits
 * none of them alone.
 */
export async function runRounds(
  runtime: Runtime,
  addresses: Addresses,
  plan: Plan,
  log: (line: string) => void,
): Promise<RuntimeResult> {
  const failures: string[] = [];
  const clients = new Map<string, Lines>();
  for (const contender of plan.contenders) {
    const client = startScript(runtime, "client.ts", [contender, JSON.stringify(addresses)]);
    const ready = await client.next<{ ready: true }>(START_MS);
    if ("error" in ready) {
      failures.push(`${contender} on ${runtime}: ${ready.error}`);
      await client.end();
    } else clients.set(contender, client);
  }

  const measured = new Map<string, Measurement[]>();
  const key = (contender: string, name: string) => `${contender} ${name}`;
  const measure = async (contender: string, which: Case, ms: number) => {
    const client = clients.get(contender);
    if (client === undefined) return;
    const closed = measured.get(key(contender, which.openLoopOf ?? ""));
    if (which.openLoopOf !== undefined && closed === undefined) return;
    const rate = closed && median(closed.map((m) => m.callsPerSecond)) / 2;
    const answer: Answer<Measurement> = await client.ask({ do: "run", case: which.name, ms, rate }, ms + 20_000);
    if ("error" in answer) {
      failures.push(`${contender} on ${runtime}, ${which.name}: ${answer.error}`);
      clients.delete(contender);
      await client.end();
      return;
    }
    const list = measured.get(key(contender, which.name)) ?? [];
    measured.set(key(contender, which.name), [...list, answer]);
  };

  const steps = stepsOf(plan);
  for (const { contenders, which } of steps) {
    for (const contender of contenders) await measure(contender, which, plan.warmUpMs);
  }
  const warmUp = new Map(measured);
  for (let round = 1; round <= plan.rounds; round++) {
    log(`${runtime}: round ${round} of ${plan.rounds}`);
    if (round === 1) measured.clear();
    for (const { contenders, which, turns, ms } of shuffled(steps)) {
      for (const contender of Array.from({ length: turns }, () => shuffled(contenders)).flat()) {
        // The first open loop may come before the closed one that tells its rate.
        const needed = which.openLoopOf && key(contender, which.openLoopOf);
        if (needed && !measured.has(needed)) measured.set(needed, warmUp.get(needed)!);
        await measure(contender, which, ms);
        if (needed && measured.get(needed) === warmUp.get(needed)) measured.delete(needed);
      }
    }
  }
  for (const client of clients.values()) {
    client.child.stdin!.write(`${JSON.stringify({ do: "close" })}\n`);
    await client.end();
  }

  const rows: Row[] = [];
  for (const contender of plan.contenders) {
    if (!clients.has(contender)) continue;
    const heap = await allocations(runtime, contender, addresses, plan.heapCases, failures);
    for (const which of plan.cases) {
      const all = measured.get(key(contender, which.name));
      if (all === undefined) continue;
      const cpu = median(all.map((m) => m.cpuUsPerCall));
      rows.push({
        runtime,
        case: which.name,
        contender,
        callsPerSecond: rounded(median(all.map((m) => m.callsPerSecond))),
        p50Ms: rounded(median(all.map((m) => m.p50Ms))),
        p99Ms: rounded(median(all.map((m) => m.p99Ms))),
        cpuUsPerCall: which.openLoopOf === undefined ? rounded(cpu) : null,
        heapBytesPerCall: heap.get(which.openLoopOf ?? which.name) ?? null,
      });
    }
  }
  return { rows, failures };
}

async function allocations(
  runtime: Runtime,
  contender: string,
  addresses: Addresses,
  cases: readonly Case[],
  failures: string[],
): Promise<ReadonlyMap<string, number>> {
  const bytes = new Map<string, number>();
  const client = startScript(runtime, "client.ts", [contender, JSON.stringify(addresses)], "kept");
  let answer: Answer<{ heapBytesPerCall?: number }> = await client.next(START_MS);
  for (const which of cases) {
    if ("error" in answer) break;
    const calls = which.kind.startsWith("server-stream") ? 2 : 256;
    answer = await client.ask({ do: "heap", case: which.name, calls }, 30_000);
    if ("heapBytesPerCall" in answer) bytes.set(which.name, Math.round(answer.heapBytesPerCall!));
  }
  if ("error" in answer) failures.push(`${contender} on ${runtime}, allocations: ${answer.error}`);
  await client.end();
  return bytes;
}

/** What stays together in a round. */
interface Step {
  readonly contenders: readonly string[];
  readonly which: Case;
  readonly turns: number;
  readonly ms: number;
}

function stepsOf({ contenders, cases, measureMs, turns, turnMs }: Plan): Step[] {
  return cases.flatMap((which) => {
    const { takeTurns } = which;
    if (takeTurns === undefined) {
      return contenders.map((contender) => ({ contenders: [contender], which, turns: 1, ms: measureMs }));
    }
    const racers = contenders.filter((contender) => takeTurns.includes(contender));
    return [{ contenders: racers, which, turns, ms: turnMs }];
  });
}

/** Six significant digits at most: the rest is noise. */
function rounded(value: number): number {
  return Number(value.toPrecision(6));
}

function shuffled<T>(values: readonly T[]): T[] {
  const out = [...values];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}

/** The cases of a name list, all if there is none. */
export function casesNamed(names: readonly string[] | undefined): readonly Case[] {
  if (names === undefined) return CASES;
  return names.map((name) => {
    const found = CASES.find((which) => which.name === name);
    if (found === undefined) {
      throw new TypeError(`no case ${JSON.stringify(name)}: ${CASES.map((c) => c.name).join(", ")}`);
    }
    return found;
  });
}
