/** Why an endpoint is ejected, and until when: its health while it is. */
export class Ejected extends Error {
  override readonly name = "Ejected";
  /** When calls go to it again, on the clock's scale; `snapshot()` and events have the milliseconds left. */
  readonly untilMs: number;
  readonly why: string;

  constructor(why: string, forMs: number, nowMs: number) {
    super(`ejected for ${Math.round(forMs) / 1_000} s: ${why}`);
    this.untilMs = nowMs + forMs;
    this.why = why;
  }
}
