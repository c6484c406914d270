import type { Clock } from "../time/clock.ts";
import { LatencyEstimate } from "./latency-estimate.ts";

/** How long rates are measured over at least, in milliseconds. */
const WINDOW_MS = 1_000;

/** Node, Bun and Deno tell how much CPU a process used. */
const runtime = globalThis as { process?: { cpuUsage?(): { user: number; system: number } } };

/** What is measured of a server's load: counted calls, their latency, and the CPU that was used. */
export class LoadRecorder {
  readonly #clock: Clock;
  readonly #latency = new LatencyEstimate();
  /** Requests in flight: those that have arrived and whose handling has not ended. */
  inFlight = 0;
  #windowAtMs: number;
  #finished = 0;
  #failed = 0;
  #cpuMs = cpuMs();
  #latencyMs: number | undefined = undefined;
  #latencyAtMs = 0;
  #rates = { perSecond: 0, errorsPerSecond: 0, cpu: 0 };

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#windowAtMs = clock.now();
  }

  /** A request has arrived. Returns when, for {@link finished}. */
  arrived(): number {
    this.inFlight++;
    return this.#clock.now();
  }

  /** The handling of a request has ended; `failed`: with an error that is the server's own. */
  finished(failed: boolean): void {
    this.inFlight--;
    this.#finished++;
    if (failed) this.#failed++;
  }

  /** A unary call was answered: how long calls take while as many are in flight as now. */
  answered(arrivedAtMs: number): void {
    this.#latency.add(this.inFlight, this.#clock.now() - arrivedAtMs);
  }

  /**
   * How long unary calls take at the present load, in milliseconds; undefined as long as none was answered. Estimated once
   * a millisecond, as it takes longer than a small call.
   */
  latencyMs(nowMs: number): number | undefined {
    const atMs = Math.floor(nowMs);
    if (this.#latencyMs === undefined || this.#latencyAtMs !== atMs) {
      this.#latencyAtMs = atMs;
      this.#latencyMs = this.#latency.at(this.inFlight);
    }
    return this.#latencyMs;
  }

  /** Calls and errors per second, and the CPU time used per time passed; measured over a second or more. */
  rates(nowMs: number): { readonly perSecond: number; readonly errorsPerSecond: number; readonly cpu: number } {
    const passedMs = nowMs - this.#windowAtMs;
    if (passedMs < WINDOW_MS) return this.#rates;
    const cpu = cpuMs();
    this.#rates = {
      perSecond: this.#finished / passedMs * 1_000,
      errorsPerSecond: this.#failed / passedMs * 1_000,
      cpu: (cpu - this.#cpuMs) / passedMs,
    };
    [this.#windowAtMs, this.#finished, this.#failed, this.#cpuMs] = [nowMs, 0, 0, cpu];
    return this.#rates;
  }
}

/** The CPU time that this process has used; 0 where it isn't known. */
function cpuMs(): number {
  try {
    const { user, system } = runtime.process?.cpuUsage?.() ?? { user: 0, system: 0 };
    return (user + system) / 1_000;
  } catch {
    // Some stand-ins for Node's process have it, and throw.
    return 0;
  }
}
