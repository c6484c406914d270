import type { Chance } from "../chance/chance.ts";
import type { Fault } from "../faults/fault.ts";
import type { FaultPlan } from "./plan.ts";

/** Whom the faults of a world can hit. */
export type Targets = Readonly<Record<Fault["hits"], readonly string[]>>;

/** When faults of a kind happen. */
export interface FaultTimes {
  /** How far apart they are, on average. */
  readonly everyMs: number;
  /** How long they last. */
  readonly lastMs: readonly [from: number, to: number];
  /** Those of so long a time happen at about the same moment; undefined: at any. */
  readonly stormMs: number | undefined;
  /** How long the world has calls. */
  readonly durationMs: number;
}

/** The faults of a kind. They are over at 60 % of the world's time. */
export function faultsOfKind({ kind, hits }: Fault, targets: Targets, times: FaultTimes, chance: Chance): FaultPlan[] {
  const { everyMs, lastMs, stormMs, durationMs } = times, planned: FaultPlan[] = [];
  for (
    let nextMs = chance.between(0, 2 * everyMs);
    nextMs < durationMs * 0.5;
    nextMs += chance.between(0, 2 * everyMs)
  ) {
    const atMs = stormMs === undefined ? nextMs : Math.floor(nextMs / stormMs) * stormMs + chance.scale(1, 10_000);
    const untilMs = Math.min(durationMs * 0.6, atMs + chance.scale(...lastMs));
    planned.push({
      kind,
      atMs: Math.round(atMs),
      untilMs: Math.round(untilMs),
      who: chance.one(targets[hits]),
      size: chance.next(),
    });
  }
  return planned;
}
