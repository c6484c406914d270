import type { Attempt, AttemptStart, CallEnd, CallWatch, WaitReason } from "../../call/observer.ts";
import type { ClientSeries, Repeated } from "./client-series.ts";
import { statusNumber } from "./status.ts";

/** The metrics of one call of a client. */
export class MeasuredCall implements CallWatch {
  readonly #series: ClientSeries;
  readonly #now: () => number;
  #repeats: Repeats | undefined = undefined;
  /** What it waits for, if it does, and since when. */
  #why: WaitReason | undefined = undefined;
  #sinceMs = 0;
  /** How long it has waited for a connection since the latest attempt began. */
  #waitedMs = 0;
  /** How long the latest attempt had waited before. */
  #pickMs = 0;
  #latest = 0;

  /** `now`: the transport's clock. */
  constructor(series: ClientSeries, now: () => number) {
    this.#series = series;
    this.#now = now;
  }

  waiting(why: WaitReason): void {
    const nowMs = this.#now();
    this.#waited(nowMs);
    this.#why = why;
    this.#sinceMs = nowMs;
  }

  #waited(nowMs: number): void {
    const waitedMs = nowMs - this.#sinceMs;
    // To gRPC, an attempt begins before its pick, and after the resolution.
    if (this.#why === "connection" || this.#why === "room") this.#waitedMs += waitedMs;
    else if (this.#why === "backoff") (this.#repeats ??= new Repeats()).delayMs += waitedMs;
    this.#why = undefined;
  }

  attemptStarted({ number, hedge }: AttemptStart): void {
    this.#series.started?.record(1);
    if (this.#why !== undefined) this.#waited(this.#now());
    this.#pickMs = this.#waitedMs;
    this.#waitedMs = 0;
    if (number > 1) (this.#repeats ??= new Repeats()).started(number > this.#latest, hedge);
    this.#latest = number;
  }

  attemptEnded({ number, code, latencyMs, end, sentBytes, receivedBytes }: Attempt): void {
    const pickMs = number === this.#latest ? this.#pickMs : 0;
    const series = this.#series.attempt(statusNumber(code));
    if (series !== undefined) {
      series.duration.record((latencyMs + pickMs) / 1_000);
      if (sentBytes !== undefined) series.sent.record(sentBytes);
      if (receivedBytes !== undefined) series.received.record(receivedBytes);
    }
    if (end === "not-sent" || end === "refused") (this.#repeats ??= new Repeats()).unprocessed = true;
    else if (code !== undefined && this.#repeats !== undefined) this.#repeats.unprocessed = false;
  }

  ended({ code, latencyMs }: CallEnd): void {
    for (const series of this.#series.calls(statusNumber(code))) series.record(latencyMs / 1_000);
    if (this.#repeats !== undefined) this.#series.repeated(this.#repeats);
  }
}

/** How often a call was repeated: most calls never are. */
class Repeats implements Repeated {
  retries = 0;
  transparent = 0;
  hedges = 0;
  delayMs = 0;
  /** Whether the latest attempt that failed was not processed by any server. */
  unprocessed = false;

  /** An attempt began after the first. One that was taken back and made again counts once. */
  started(isNew: boolean, hedge: boolean): void {
    if (!isNew) return;
    if (hedge) this.hedges++;
    else if (this.unprocessed) this.transparent++;
    else this.retries++;
  }
}
