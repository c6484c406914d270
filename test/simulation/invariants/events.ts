import type { BalancerEvent } from "../../../src/balancer/event.ts";
import type { ConnectivityState } from "../../../src/connectivity.ts";
import type { SimulatedClient } from "../world/client.ts";
import type { Invariant } from "./invariant.ts";

/** A client as somebody sees it who hears of its events alone. */
class Heard {
  readonly #states = new Map<string, ConnectivityState>();
  readonly #set = new Set<string>();
  /** What health checks hold back. */
  readonly #held = new Set<string>();
  #stale = false;
  #panic = false;

  /** Returns what is wrong with an event after those before it. */
  hear(event: BalancerEvent): string | undefined {
    switch (event.type) {
      case "connection-state": {
        const { endpoint: { address }, from, to } = event, last = this.#states.get(address);
        // Checks begin anew with each link.
        this.#held.delete(address);
        // A server that comes back has another connection, or the same one again.
        if (to === "shutdown") this.#states.delete(address);
        else this.#states.set(address, to);
        const follows = last === undefined ? from === "idle" || from === "shutdown" : from === last;
        return from === to || !follows ? `${address} went from ${from} to ${to} after ${last}` : undefined;
      }
      case "endpoints-changed":
        for (const { address } of event.added) this.#set.add(address);
        for (const { address } of event.removed) this.#set.delete(address);
        return event.total === this.#set.size ? undefined : `${this.#set.size} endpoints are known, of ${event.total}`;
      case "connection-health":
        if (event.health === "failing") this.#held.add(event.endpoint.address);
        else this.#held.delete(event.endpoint.address);
        return undefined;
      case "endpoints-stale":
      case "endpoints-fresh": {
        const again = this.#stale === (event.type === "endpoints-stale");
        this.#stale = !this.#stale;
        return again ? `${event.type} twice` : undefined;
      }
      case "panic-changed": {
        const again = this.#panic === event.panic;
        this.#panic = event.panic;
        return again ? `panic ${event.panic} twice` : undefined;
      }
      default:
        return undefined;
    }
  }

  /** Returns how a client differs from what was heard of it. */
  differs({ transport }: SimulatedClient): string | undefined {
    const { endpoints = [], stale, panic } = transport.snapshot();
    if (this.#stale !== (stale !== undefined)) return `stale: ${this.#stale} was heard`;
    if (this.#panic !== panic) return `panic: ${this.#panic} was heard`;
    const set = endpoints.map(({ endpoint }) => endpoint.address);
    if (set.toSorted().join() !== [...this.#set].sort().join()) return `${set} instead of ${[...this.#set]}`;
    for (const { endpoint: { address }, state, health } of endpoints) {
      const heard = this.#states.get(address) ?? "idle";
      if (heard !== state) return `${address} is ${state}, ${heard} was heard`;
      // In a panic, health holds nothing back.
      const held = health instanceof Error && !panic;
      if (held !== this.#held.has(address)) return `${address} is ${held ? "" : "not "}held back, unheard`;
    }
    return undefined;
  }
}

/** A listener that gets all events knows the current state: no event is missing, and none is reported twice. */
export const eventsAreTrue: Invariant = {
  name: "events-are-true",
  watch(world) {
    const heard = new Map(world.clients.map((client) => [client.plan.name, new Heard()]));
    const compare = () => {
      for (const client of world.clients) {
        const { name } = client.plan, wrong = heard.get(name)!.differs(client);
        if (wrong !== undefined) world.broken("events-are-true", `${name}: ${wrong}`);
      }
    };
    return {
      event(client, event) {
        const wrong = heard.get(client)!.hear(event);
        if (wrong !== undefined) world.broken("events-are-true", `${client}: ${wrong}`);
      },
      tick: compare,
      still: compare,
    };
  },
};
