import type { UsualCalls } from "../../call/meter.ts";
import type { Attempt, AttemptStart, CallEnd, CallWatch, WaitReason } from "../../call/observer.ts";
import { ClientSeries, type Repeated } from "./client-series.ts";
import { statusNumber } from "./status.ts";

/** Times that differ by less, in milliseconds, are the same. */
const SAME_MS = 0.000_1;

/**
 * The metrics of one call of a client. It is made for every call: most wait for nothing and have one attempt, so that
 * what else there is to know is kept in another object.
 */
export class MeasuredCall implements CallWatch {
  declare private readonly series: ClientSeries;
  declare private unusual: Unusual | undefined;
  /** Its only attempt, if that succeeded: its duration is recorded together with the call's. */
  declare private usual: Attempt | undefined;

  static {
    // What few calls have costs the others nothing on the prototype.
    Object.assign(this.prototype, { unusual: undefined });
  }

  constructor(series: ClientSeries) {
    this.series = series;
    this.usual = undefined;
  }

  waiting(why: WaitReason): void {
    (this.unusual ??= new Unusual()).waiting(why, this.series.now());
  }

  attemptStarted(attempt: AttemptStart): void {
    this.series.started?.record(1);
    if (attempt.number > 1) this.unusual ??= new Unusual();
    this.unusual?.started(attempt, this.series.now());
  }

  attemptEnded(attempt: Attempt): void {
    const { code, latencyMs, sentBytes, receivedBytes } = attempt, { unusual } = this;
    const series = this.series.attempt(statusNumber(code));
    if (series !== undefined) {
      if (unusual !== undefined) series.duration.record((latencyMs + unusual.pickMs(attempt)) / 1_000);
      else if (code === undefined) this.usual = attempt;
      else series.duration.record(latencyMs / 1_000);
      if (sentBytes !== undefined) series.sent.record(sentBytes);
      if (receivedBytes !== undefined) series.received.record(receivedBytes);
    }
    if (code !== undefined) (this.unusual ??= new Unusual()).failed(attempt);
  }

  ended({ code, latencyMs }: CallEnd): void {
    const { series, usual } = this;
    // The same time, but for the last bits.
    if (usual !== undefined && code === undefined && Math.abs(latencyMs - usual.latencyMs) < SAME_MS) {
      series.usual!.record(usual.latencyMs / 1_000);
    } else {
      if (usual !== undefined) series.attempt(0)!.duration.record(usual.latencyMs / 1_000);
      series.call(statusNumber(code)).record(latencyMs / 1_000);
    }
    if (this.unusual !== undefined) this.series.repeated(this.unusual);
  }
}

/** The calls of one method to one target, which measure themselves as long as they are usual. */
export class MeasuredCalls extends ClientSeries implements UsualCalls {
  watch(): CallWatch {
    return new MeasuredCall(this);
  }
}

/** What is known of a call that waited, failed or was repeated. */
class Unusual implements Repeated {
  retries = 0;
  transparent = 0;
  hedges = 0;
  delayMs = 0;
  /** What it waits for, if it does, and since when. */
  #why: WaitReason | undefined = undefined;
  #sinceMs = 0;
  /** How long it has waited for a connection since the latest attempt began. */
  #waitedMs = 0;
  /** The number of the latest attempt, and how long it had waited before. */
  #latest = 1;
  #pickMs = 0;
  /** Whether the attempt that failed last was not processed by any server. */
  #unprocessed = false;

  waiting(why: WaitReason | undefined, nowMs: number): void {
    const waitedMs = nowMs - this.#sinceMs;
    // To gRPC, an attempt begins before its pick, and after the resolution.
    if (this.#why === "connection" || this.#why === "room") this.#waitedMs += waitedMs;
    else if (this.#why === "backoff") this.delayMs += waitedMs;
    this.#why = why;
    this.#sinceMs = nowMs;
  }

  started({ number, hedge }: AttemptStart, nowMs: number): void {
    this.waiting(undefined, nowMs);
    this.#pickMs = this.#waitedMs;
    this.#waitedMs = 0;
    // One that was taken back and is made again has the same number, and counts once.
    if (number <= this.#latest) return;
    this.#latest = number;
    if (hedge) this.hedges++;
    else if (this.#unprocessed) this.transparent++;
    else this.retries++;
  }

  /** How long an attempt had waited for its connection. */
  pickMs({ number }: Attempt): number {
    return number === this.#latest ? this.#pickMs : 0;
  }

  failed({ end }: Attempt): void {
    this.#unprocessed = end === "not-sent" || end === "refused";
  }
}
