import { Code } from "@connectrpc/connect";
import type { Outcome } from "../connection/connection.ts";
import { EARLY_MS } from "../time/deadline.ts";

/** What a failure counts for at most because of the failures before it, in milliseconds. */
const MOST_MS = 60_000;

/** A clock may be too coarse for what a call took; a latency of 0 would make calls in flight count for nothing. */
const LEAST_MS = 0.001;

/** The codes with which a server in trouble fails. */
const FAILURES: ReadonlySet<Code> = /* @__PURE__ */ new Set([
  Code.Unavailable,
  Code.DeadlineExceeded,
  Code.Internal,
  Code.Unknown,
  Code.DataLoss,
  Code.ResourceExhausted,
]);

/** What a server counts for whose first call has not been answered, in milliseconds. */
const UNKNOWN_MS = 1_000;

/** How latencies are kept. */
export interface LatencySettings {
  /** After how many milliseconds a latency has decayed to 1/e. */
  readonly decayMs: number;
  /** How many milliseconds a failure counts for at least. */
  readonly penaltyMs: number;
}

/** How long the calls of one server take: an average that rises at once and falls over time. */
export class Latency {
  readonly #settings: LatencySettings;
  /** A server that was restarted begins anew. */
  readonly incarnation: string | undefined;
  /**
   * The logarithm of the latency, as it would have been when the clock was at 0. Scores compare as latencies do at any
   * time, without looking at the clock. -Infinity: nothing is known.
   */
  #score = -Infinity;
  /** A picker's scores, which are kept up to date, and whose this is. */
  #scores: Float64Array | undefined;
  #index = 0;
  /** When something was learned last. */
  #atMs = 0;
  /** Since when calls are in flight without anything being known. */
  #waitingSinceMs: number | undefined;
  /** How many calls have failed in a row, and when the last of them did. */
  #failures = 0;
  #failedAtMs = -Infinity;

  constructor(settings: LatencySettings, incarnation?: string) {
    this.#settings = settings;
    this.incarnation = incarnation;
  }

  /** The score while nothing is known and calls are in flight. */
  waitingScore(nowMs: number): number {
    // The first call has not been answered. It may be a stream, whose end is far away: its time is not unlimited.
    this.#waitingSinceMs ??= nowMs;
    return this.#scoreOf(UNKNOWN_MS, this.#waitingSinceMs);
  }

  /** Keeps the score in a list, too, where a picker reads many of them quickly. */
  showIn(scores: Float64Array, index: number): void {
    scores[index] = this.#score;
    this.#scores = scores;
    this.#index = index;
  }

  /** The latency, in milliseconds; 0: nothing is known. */
  at(nowMs: number): number {
    return Math.exp(this.#score - nowMs / this.#settings.decayMs);
  }

  /** An attempt has ended. */
  learn({ end, code, latencyMs, headerMs, abandoned, timeoutMs }: LearnedFrom, nowMs: number): void {
    this.#waitingSinceMs = undefined;
    // It was never there.
    if (end === "not-sent") return;
    const leftMs = timeoutMs === undefined ? Infinity : timeoutMs - latencyMs;
    const overdue = code === Code.DeadlineExceeded && leftMs <= EARLY_MS;
    if (!abandoned && !overdue && code !== undefined && FAILURES.has(code)) {
      this.#failed(nowMs, latencyMs, leftMs);
    } else if (headerMs === undefined) {
      if (latencyMs > this.at(nowMs)) this.#set(nowMs, latencyMs);
    } else {
      this.#failures = 0;
      // That of a long stream is old news.
      if (latencyMs - headerMs < this.#settings.decayMs) this.#answered(nowMs, headerMs);
    }
  }

  /** The server began to answer so long after the beginning. */
  #answered(nowMs: number, ms: number): void {
    if (ms > this.at(nowMs)) this.#set(nowMs, ms);
    else this.#average(nowMs, ms, 0);
  }

  #failed(nowMs: number, latencyMs: number, leftMs: number): void {
    // Those that end together, such as all that were on a lost connection, are one failure.
    if (nowMs - latencyMs >= this.#failedAtMs) {
      this.#failures++;
      this.#failedAtMs = nowMs;
    }
    const doubledMs = Math.min(2 * this.at(nowMs), MOST_MS);
    const ms = Math.max(latencyMs, doubledMs, Math.min(this.#settings.penaltyMs, leftMs));
    // A single one enters the average like any other call; of several in a row, each counts for more.
    this.#average(nowMs, ms, 1 - 0.5 ** (this.#failures - 1));
  }

  /** The new one counts for as much as time has passed since the last, and for `part` at least. */
  #average(nowMs: number, ms: number, part: number): void {
    if (this.#score === -Infinity) return this.#set(nowMs, ms);
    const passed = 1 - Math.exp((this.#atMs - nowMs) / this.#settings.decayMs);
    if (passed >= part) this.#set(nowMs, this.at(nowMs) + ms * passed);
    else this.#set(nowMs, this.at(nowMs) * (1 - part) + ms * part);
  }

  #set(nowMs: number, ms: number): void {
    this.#score = this.#scoreOf(ms, nowMs);
    if (this.#scores !== undefined) this.#scores[this.#index] = this.#score;
    this.#atMs = nowMs;
  }

  #scoreOf(ms: number, nowMs: number): number {
    return Math.log(Math.max(ms, LEAST_MS)) + nowMs / this.#settings.decayMs;
  }
}

/** What a latency is learned from. */
type LearnedFrom = Pick<Outcome, "end" | "code" | "latencyMs" | "headerMs" | "abandoned" | "timeoutMs">;
