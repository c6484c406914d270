import { Code, type ConnectError } from "@connectrpc/connect";
import type { MadeCall } from "./made-call.ts";

/** What became of the calls that one endpoint answered last, or of all. */
export interface CallRow {
  /** Undefined: calls that got as far as no endpoint. */
  readonly endpoint: string | undefined;
  readonly calls: number;
  readonly errors: number;
  /** Attempts that went there, retries and hedges included. */
  readonly attempts: number;
  /** Of calls that succeeded; undefined if none did. */
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  readonly maxMs: number | undefined;
}

interface Tally {
  calls: number;
  errors: number;
  attempts: number;
  readonly latencies: number[];
}

/** Counts calls by the endpoint that ended them. */
export class CallStatistics {
  readonly #tallies = new Map<string | undefined, Tally>();
  readonly #all: Tally = tally();
  readonly #codes = new Map<Code, number>();
  /** The first error. */
  firstError: ConnectError | undefined;

  add({ attempts, latencyMs, error }: MadeCall): void {
    const last = this.#tally(attempts.at(-1)?.endpoint.address);
    for (const { endpoint } of attempts) this.#tally(endpoint.address).attempts++;
    this.#all.attempts += attempts.length;
    for (const one of [last, this.#all]) {
      one.calls++;
      if (error === undefined) one.latencies.push(latencyMs);
      else one.errors++;
    }
    if (error === undefined) return;
    this.firstError ??= error;
    this.#codes.set(error.code, (this.#codes.get(error.code) ?? 0) + 1);
  }

  /** In the order of addresses. */
  rows(): readonly CallRow[] {
    return [...this.#tallies].map(([endpoint, one]) => row(endpoint, one))
      .sort((a, b) => (a.endpoint ?? "") < (b.endpoint ?? "") ? -1 : 1);
  }

  total(): CallRow {
    return row(undefined, this.#all);
  }

  /** How many calls ended with each code, the most frequent first. */
  get codes(): readonly (readonly [code: Code, calls: number])[] {
    return [...this.#codes].sort(([, a], [, b]) => b - a);
  }

  #tally(endpoint: string | undefined): Tally {
    let known = this.#tallies.get(endpoint);
    if (known === undefined) this.#tallies.set(endpoint, known = tally());
    return known;
  }
}

function tally(): Tally {
  return { calls: 0, errors: 0, attempts: 0, latencies: [] };
}

function row(endpoint: string | undefined, { latencies, ...counts }: Tally): CallRow {
  const sorted = Float64Array.from(latencies).sort();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  return { endpoint, ...counts, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: sorted.at(-1) };
}

/** What `call` adds to the code of gRPC with which a call failed, as its exit code. */
export const CODE_BASE = 64;

/** A code as gRPC spells it: `DEADLINE_EXCEEDED`. */
export function codeName(code: Code): string {
  return Code[code].replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
}
