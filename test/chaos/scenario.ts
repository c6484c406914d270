import type { Environment } from "./environment.ts";

/** One thing that goes wrong, and what callers may notice of it. */
export interface Scenario {
  /** How it is named on the command line. */
  readonly name: string;
  /** What happens, for the table's first column. */
  readonly title: string;
  /** What must hold, for the table's second column. */
  readonly bound: string;
  /** How long it may take at most, in milliseconds; see {@link limitOf}. */
  readonly limitMs: number;
  /** Makes it happen and notes what was measured. */
  run(environment: Environment): Promise<void>;
}

/** When a scenario is ended: in its short form, which runs with all other tests on any machine, only if it hangs. */
export function limitOf({ limitMs }: { readonly limitMs: number }, quick: boolean): number {
  return quick ? 3 * limitMs : limitMs;
}

/** What a scenario found out, as it is passed between processes. */
export interface Outcome {
  readonly scenario: string;
  readonly figures: readonly Figure[];
  /** Bounds that did not hold, and what else went wrong; empty: the scenario holds. */
  readonly broken: readonly string[];
  /** A row each in a table of its own, such as what callers see of each kind of bad server. */
  readonly details: readonly (readonly [name: string, value: string])[];
  readonly tookMs: number;
}

/** A number with its name. */
export interface Figure {
  readonly label: string;
  readonly value: number;
  /** For example "ms"; empty for a count. */
  readonly unit: string;
}

/** How late timers, and what hangs on them, may be on a machine whose few cores are all busy with the scenario. */
const SLACK_MS = 500;
/** The same in the short forms, which run with all other tests on any machine: only what never comes is too late. */
const QUICK_SLACK_MS = 20_000;

/** Collects what a scenario measures. A number past its bound breaks the scenario, and the others are still measured. */
export class Figures {
  readonly quick: boolean;
  readonly figures: Figure[] = [];
  readonly broken: string[] = [];
  readonly details: (readonly [name: string, value: string])[] = [];

  constructor(quick: boolean) {
    this.quick = quick;
  }

  /** How late a timer may be, in milliseconds. */
  get slackMs(): number {
    return this.quick ? QUICK_SLACK_MS : SLACK_MS;
  }

  /** A number that has no bound. */
  note(label: string, value: number, unit = ""): void {
    this.figures.push({ label, value, unit });
  }

  /** `examples` are shown when the bound is passed. */
  atMost(label: string, value: number, most: number, unit = "", examples: readonly string[] = []): void {
    this.note(label, value, unit);
    // Written so that NaN is past every bound.
    if (!(value <= most)) this.#past(label, value, `at most ${round(most)}`, examples);
  }

  /** A time in milliseconds. The short form of a scenario measures no speed: there it may take much longer. */
  within(label: string, value: number, mostMs: number): void {
    this.atMost(label, value, this.quick ? mostMs + QUICK_SLACK_MS : mostMs, "ms");
  }

  atLeast(label: string, value: number, least: number, unit = ""): void {
    this.note(label, value, unit);
    if (!(value >= least)) this.#past(label, value, `at least ${round(least)}`, []);
  }

  none(label: string, found: readonly string[]): void {
    this.atMost(label, found.length, 0, "", found);
  }

  fail(why: string): void {
    this.broken.push(why);
  }

  detail(name: string, value: string): void {
    this.details.push([name, value]);
  }

  #past(label: string, value: number, bound: string, examples: readonly string[]): void {
    this.broken.push([`${label}: ${round(value)}, expected ${bound}`, ...examples.slice(0, 5)].join("\n    "));
  }
}

/** A figure as the table shows it. */
export function showFigure({ label, value, unit }: Figure): string {
  return `${label} ${round(value).toLocaleString("en-US")}${unit === "" ? "" : ` ${unit}`}`;
}

function round(value: number): number {
  return Math.abs(value) >= 100 || Number.isInteger(value) ? Math.round(value) : Math.round(value * 10) / 10;
}
