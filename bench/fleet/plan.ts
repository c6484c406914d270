import { DEFAULTS, HEDGING, POLICIES, TUNED_FAILING, TUNED_SLOW } from "./contenders.ts";
import type { Job } from "./jobs.ts";
import type { Contender, Shape } from "./model/shape.ts";
import { callRate } from "./model/simulate.ts";
import { FAILING_SHAPES, HEDGING_SHAPES, SIZES, SLOW_SHAPES } from "./shapes.ts";

/** Shapes, and what is tried in each of them. */
export interface Part {
  readonly title: string;
  readonly shapes: readonly Shape[];
  readonly contenders: readonly Contender[];
  /** Whether a quick run has it. */
  readonly quick: readonly string[];
}

/** All that is simulated. */
export const PARTS: readonly Part[] = [
  { title: "Healthy fleets", shapes: SIZES, contenders: POLICIES, quick: ["20x20", "20x20-half-slow"] },
  {
    title: "Failing servers",
    shapes: FAILING_SHAPES,
    contenders: [DEFAULTS, ...POLICIES, ...TUNED_FAILING],
    quick: ["fast-failure"],
  },
  {
    title: "Slow servers",
    shapes: SLOW_SHAPES,
    contenders: [...POLICIES, ...TUNED_SLOW],
    quick: ["one-slow"],
  },
  { title: "Hedging", shapes: HEDGING_SHAPES, contenders: HEDGING, quick: ["hedge-tail"] },
];

/** What a run is limited to; undefined: everything. */
export interface Selection {
  readonly quick: boolean;
  readonly shapes: readonly string[] | undefined;
  readonly contenders: readonly string[] | undefined;
  readonly seeds: number;
}

/** The simulations of a run: the longest first, so that no core waits for the last one. */
export function jobsOf({ quick, shapes, contenders, seeds }: Selection): Omit<Job, "id">[] {
  const jobs = PARTS.flatMap((part) =>
    part.shapes
      .filter(({ name }) => shapes?.includes(name) ?? (!quick || part.quick.includes(name)))
      .flatMap((shape) =>
        part.contenders
          .filter(({ name }) => contenders?.includes(name) ?? true)
          .flatMap((contender) =>
            Array.from({ length: Math.min(seeds, shape.seeds ?? seeds) }, (_, i) => ({
              cost: callRate(shape) * (shape.warmUpSeconds + shape.seconds),
              job: { shape: shape.name, contender: contender.name, seed: i + 1 },
            }))
          )
      )
  );
  return jobs.sort((a, b) => b.cost - a.cost).map(({ job }) => job);
}
