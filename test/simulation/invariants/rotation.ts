import type { SimulatedClient } from "../world/client.ts";
import type { Invariant } from "./invariant.ts";

/** A client whose servers have all been well for a while, and how many attempts each has got since. */
class Rotation {
  readonly #client: SimulatedClient;
  readonly #inFlight = new Map<string, number>();
  /** Undefined: something is not as it should be. */
  #counts: Map<string, number> | undefined;
  #lookedMs = -Infinity;

  constructor(client: SimulatedClient) {
    this.#client = client;
  }

  /** Something has changed: nothing is promised across that. */
  reset(): void {
    this.#counts = undefined;
  }

  /** An attempt begins. Returns the counts if they differ by more than one. */
  began(address: string, most: number, nowMs: number): string | undefined {
    const inFlight = (this.#inFlight.get(address) ?? 0) + 1;
    this.#inFlight.set(address, inFlight);
    // A server that is almost full is skipped.
    if (2 * inFlight > most) this.reset();
    else this.#counts ??= this.#look(nowMs);
    const counts = this.#counts;
    if (counts === undefined) return undefined;
    counts.set(address, (counts.get(address) ?? 0) + 1);
    const all = [...counts.values()];
    if (Math.max(...all) - Math.min(...all) <= 1) return undefined;
    return [...counts].map((entry) => entry.join(": ")).join(", ");
  }

  ended(address: string): void {
    this.#inFlight.set(address, this.#inFlight.get(address)! - 1);
  }

  #look(nowMs: number): Map<string, number> | undefined {
    if (nowMs < this.#lookedMs + 5_000 || [...this.#inFlight.values()].some((count) => count > 1)) return undefined;
    this.#lookedMs = nowMs;
    const { endpoints = [], panic } = this.#client.transport.snapshot();
    const well = endpoints.every(({ state, restricted, available }) => state === "ready" && available && !restricted);
    return well && !panic ? new Map(endpoints.map(({ endpoint }) => [endpoint.address, 0])) : undefined;
  }
}

/** While nothing changes, round robin gives each server as many attempts as the others, or one more. */
export const roundRobinRotates: Invariant = {
  name: "round-robin-rotates",
  watch(world) {
    const rotations = new Map<string, Rotation>();
    for (const client of world.clients) {
      const { policy, hedge, name } = client.plan;
      if (policy === "roundRobin" && !hedge) rotations.set(name, new Rotation(client));
    }
    return {
      attempt({ client }, { number, endpoint: { address } }) {
        const rotation = rotations.get(client);
        if (rotation === undefined) return;
        // The next server in turn may be the one that failed before.
        if (number > 1) rotation.reset();
        const { maxInFlightPerEndpoint = Infinity } = world.client(client).plan;
        const most = Math.min(world.server(address).plan.maxConcurrentStreams, maxInFlightPerEndpoint);
        const uneven = rotation.began(address, most, world.time.now());
        if (uneven !== undefined) world.broken("round-robin-rotates", `${client} counts ${uneven}`);
      },
      attempted({ client }, { end, endpoint: { address } }) {
        rotations.get(client)?.ended(address);
        if (end !== "answered") rotations.get(client)?.reset();
      },
      event: (client) => rotations.get(client)?.reset(),
    };
  },
};
