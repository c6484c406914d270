import { Code, ConnectError } from "@connectrpc/connect";
import type { Connector } from "../connection/link.ts";
import type { HealthCheck } from "../health/health.ts";
import type { Resolver } from "../resolver/resolver.ts";
import type { Clock } from "../time/clock.ts";
import { type BalancedTransport, createBalancedTransport } from "../transport/transport.ts";
import { type Backend, BackendLoads } from "./backend-loads.ts";
import type { Turns } from "./turns.ts";

/** How long the first question about a target waits until its backends have answered, in milliseconds. */
const FIRST_WAIT_MS = 2_000;

/** Options of {@link BalancedTarget}. */
export interface BalancedTargetOptions {
  readonly connector: Connector;
  readonly health: readonly HealthCheck[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly turns: Turns;
  readonly clock: Clock;
  readonly random: () => number;
}

/** A service that a look-aside balancer answers for. From its creation on it is connected to the service's servers. */
export class BalancedTarget {
  readonly #name: string;
  readonly #options: BalancedTargetOptions;
  readonly #transport: BalancedTransport;
  readonly #loads: BackendLoads;
  readonly #waiting = new Set<() => void>();
  #begun = false;
  /** When it was last asked for. */
  usedMs: number;

  constructor(name: string, resolver: Resolver, options: BalancedTargetOptions) {
    const { intervalMs, timeoutMs, turns, connector, health, clock, random } = this.#options = options;
    this.#name = name;
    this.usedMs = clock.now();
    this.#loads = new BackendLoads({ intervalMs, timeoutMs, turns, onChange: () => this.#changed() });
    this.#transport = createBalancedTransport({
      resolver,
      connector,
      policy: this.#loads.policy,
      health,
      idleTimeoutMs: Infinity,
      clock,
      random,
    });
    // It makes no calls: this is what begins. Whether there are servers shows in the answers.
    this.#transport.connect().catch(() => {});
  }

  /**
   * The servers that can be called, the least loaded first, and those of the same load in random order.
   *
   * @throws ConnectError with the code Unavailable while nothing is known of the target.
   */
  async servers(signal: AbortSignal): Promise<readonly Backend[]> {
    this.usedMs = this.#options.clock.now();
    if (!this.#begun) await this.#firstAnswers(signal);
    const { backends } = this.#loads;
    if (backends === undefined) throw this.#unknown();
    const drawn = backends.map((backend) => ({ backend, at: this.#options.random() }));
    return drawn.sort((a, b) => a.backend.score - b.backend.score || a.at - b.at).map(({ backend }) => backend);
  }

  async close(): Promise<void> {
    await this.#transport.close();
    for (const wake of [...this.#waiting]) wake();
  }

  #firstAnswers(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        timer.cancel();
        this.#waiting.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = this.#options.clock.timer(FIRST_WAIT_MS, () => {
        this.#begun = this.#loads.backends !== undefined;
        done();
      });
      this.#waiting.add(done);
      signal.addEventListener("abort", done);
    });
  }

  #changed(): void {
    if (this.#begun || !this.#loads.settled) return;
    this.#begun = true;
    for (const wake of [...this.#waiting]) wake();
  }

  #unknown(): ConnectError {
    const why = this.#transport.snapshot().stale?.cause;
    const text = `nothing is known of ${this.#name} yet${why === undefined ? "" : `: ${why.message}`}`;
    return new ConnectError(text, Code.Unavailable, undefined, undefined, why);
  }
}
