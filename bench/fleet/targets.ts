import { FAILING_SHAPES, SLOW_SHAPES } from "./shapes.ts";
import { failedShare, type FleetRow } from "./row.ts";
import { DEFAULTS, POLICIES, TUNED_FAILING, TUNED_SLOW } from "./contenders.ts";

/** How a target was met. */
export interface FleetVerdict {
  readonly name: string;
  readonly bound: string;
  /** Undefined: not measured in this run. */
  readonly ratio: number | undefined;
  readonly met: boolean | undefined;
  /** What it was compared with. */
  readonly against?: string | undefined;
}

/** The verdict on a ratio that must not exceed a bound. */
export function atMost(name: string, bound: number, ratio: number | undefined, against?: string): FleetVerdict {
  return { name, bound: `≤ ${bound}`, ratio, met: ratio === undefined ? undefined : ratio <= bound, against };
}

/** Fewer failed calls than these count as these: one in ten thousand. */
const FEW = 1e-4;

type Of = (shape: string, contender: string) => FleetRow | undefined;

/** Holds all targets of simulations against what they have shown. */
export function judge(rows: readonly FleetRow[]): FleetVerdict[] {
  const of: Of = (shape, contender) => rows.find((row) => row.shape === shape && row.contender === contender);
  return [
    ...prequalVerdicts(of),
    ...FAILING_SHAPES.flatMap(({ name }) => failingVerdicts(of, name)),
    ...SLOW_SHAPES.flatMap(({ name }) => slowVerdict(of, name)),
    ...hedgingVerdicts(of),
  ];
}

function prequalVerdicts(of: Of): FleetVerdict[] {
  const against = (shape: string, bound: number) =>
    ["least request", "peak EWMA"].map((peer) =>
      atMost(`${shape}: p99, prequal ÷ ${peer}`, bound, quotient(of(shape, "prequal")?.p99Ms, of(shape, peer)?.p99Ms))
    );
  return [...against("100x100-half-slow", 0.25), ...against("20x20-half-slow", 0.5)];
}

/** The best of all that were tried, by failed calls; and by the tail among those that fail hardly more calls. */
function failingVerdicts(of: Of, shape: string): FleetVerdict[] {
  const mine = of(shape, DEFAULTS.name);
  const tried = [...POLICIES, ...TUNED_FAILING].flatMap(({ name }) => of(shape, name) ?? []);
  if (mine === undefined || tried.length === 0) return [];
  const failed = (row: FleetRow) => Math.max(FEW, failedShare(row));
  const least = best(tried, failed);
  const fastest = best(tried.filter((row) => failed(row) <= 1.2 * failed(least)), (row) => row.p999Ms);
  const tail = atMost(`${shape}: p99.9, defaults ÷ best`, 1.5, mine.p999Ms / fastest.p999Ms, fastest.contender);
  const calls = atMost(`${shape}: failed calls, defaults ÷ best`, 1.2, failed(mine) / failed(least), least.contender);
  return [calls, tail];
}

function slowVerdict(of: Of, shape: string): FleetVerdict[] {
  const mine = of(shape, "prequal");
  const tried = [...POLICIES, ...TUNED_SLOW].flatMap(({ name }) => of(shape, name) ?? []);
  if (mine === undefined || tried.length === 0) return [];
  const fastest = best(tried, (row) => row.p999Ms);
  return [atMost(`${shape}: p99.9, prequal ÷ best`, 1.5, mine.p999Ms / fastest.p999Ms, fastest.contender)];
}

function hedgingVerdicts(of: Of): FleetVerdict[] {
  const ratios = (shape: string) => {
    const hedged = of(shape, "hedging"), without = of(shape, "round robin");
    return {
      extraLoad: quotient(hedged && hedged.attemptsPerCall - without!.attemptsPerCall, 1),
      p995: quotient(hedged?.p995Ms, without?.p995Ms),
      p50: quotient(hedged?.p50Ms, without?.p50Ms),
      p999: quotient(hedged?.p999Ms, without?.p999Ms),
    };
  };
  const tail = ratios("hedge-tail"), slow = ratios("hedge-one-slow");
  return [
    atMost("hedge-tail: extra load", 0.02, tail.extraLoad),
    atMost("hedge-tail: p99.5 ÷ without", 0.3, tail.p995),
    atMost("hedge-one-slow: p50 ÷ without", 1.02, slow.p50),
    atMost("hedge-one-slow: p99.5 ÷ without", 1.02, slow.p995),
    atMost("hedge-one-slow: p99.9 ÷ without", 1.02, slow.p999),
  ];
}

function best(rows: readonly FleetRow[], of: (row: FleetRow) => number): FleetRow {
  return rows.reduce((least, row) => of(row) < of(least) ? row : least);
}

function quotient(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a / b;
}
