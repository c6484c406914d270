/** The rules that find outliers; the first two as gRFC A91 spells them. */
export type OutlierRule = "success_rate" | "failure_percentage" | "consecutive_failures";

/** What was found out about an endpoint. */
export interface Finding {
  readonly rule: OutlierRule;
  readonly why: string;
}

/** Why an endpoint is ejected, and until when: its health while it is. */
export class Ejected extends Error {
  override readonly name = "Ejected";
  /** When calls go to it again, on the clock's scale; `snapshot()` and events have the milliseconds left. */
  readonly untilMs: number;
  readonly why: string;
  /** Which rule found it. */
  readonly rule: OutlierRule;

  constructor({ why, rule }: Finding, forMs: number, nowMs: number) {
    super(`ejected for ${Math.round(forMs) / 1_000} s: ${why}`);
    this.untilMs = nowMs + forMs;
    this.why = why;
    this.rule = rule;
  }
}
