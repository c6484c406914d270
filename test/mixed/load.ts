import { eventually } from "../support/eventually.ts";
import type { FleetCaller, Kind } from "./callers.ts";

/** Calls in flight at any time, by each client. */
const LANES = 16;

/** Calls of all clients at once, one after another in each lane, until it is stopped. */
export class MixedLoad {
  readonly failures: string[] = [];
  calls = 0;
  /** How many answers each server gave to each client. */
  readonly #answers = new Map<string, number>();
  readonly #lanes: Promise<void>[] = [];
  #stopped = false;

  constructor(callers: readonly FleetCaller[], kinds: readonly Kind[]) {
    for (const caller of callers) {
      for (let i = 0; i < LANES; i++) this.#lanes.push(this.#lane(caller, kinds));
    }
  }

  /** Waits until every client had an answer from each of these servers since now. */
  async answeredBy(callers: readonly FleetCaller[], servers: readonly string[]): Promise<void> {
    const pairs = callers.flatMap(({ name }) => servers.map((server) => `${name} ${server}`));
    const before = pairs.map((pair) => this.#answers.get(pair) ?? 0);
    await eventually(
      "answers from all",
      () => pairs.every((pair, i) => (this.#answers.get(pair) ?? 0) > before[i]!),
    );
  }

  /** No new calls; settles when the last one has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#lanes);
  }

  async #lane(caller: FleetCaller, kinds: readonly Kind[]): Promise<void> {
    while (!this.#stopped) {
      const number = this.calls++, kind = kinds[number % kinds.length]!;
      try {
        const pair = `${caller.name} ${await caller.call(kind, `call ${number}`)}`;
        this.#answers.set(pair, (this.#answers.get(pair) ?? 0) + 1);
      } catch (error) {
        this.failures.push(`${caller.name}, ${kind}: ${error}`);
        // A call that fails at once must not become a busy loop.
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
  }
}
