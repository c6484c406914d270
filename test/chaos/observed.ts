import type { BalancedTransport, BalancerEvent, EndpointSnapshot } from "../../src/index.ts";
import { eventually } from "../support/eventually.ts";

/** A moment in the life of a connection. */
export interface Moment {
  /** On `performance.now()`'s scale. */
  readonly atMs: number;
  readonly snapshot: EndpointSnapshot;
}

/** A balanced transport whose connections can be watched. */
export class Observed {
  readonly transport: BalancedTransport;
  readonly #listeners = new Set<(event: BalancerEvent) => void>();

  readonly #check: () => void;

  /**
   * `create` makes the transport with the listener that it is given. `check` throws when it makes no sense any more to
   * wait for something.
   */
  constructor(create: (onEvent: (event: BalancerEvent) => void) => BalancedTransport, check: () => void) {
    this.#check = check;
    this.transport = create((event) => this.#listeners.forEach((listener) => listener(event)));
  }

  /** One endpoint's present state. */
  at(address: string): EndpointSnapshot {
    const found = this.#find(address);
    if (found === undefined) throw new Error(`${address} is not in the set`);
    return found;
  }

  #find(address: string): EndpointSnapshot | undefined {
    return this.transport.snapshot().endpoints?.find(({ endpoint }) => endpoint.address === address);
  }

  /** The next time that an endpoint's connection enters or leaves `ready`. */
  next(what: "from" | "to", address: string): Promise<Moment> {
    return new Promise((resolve) => {
      const listener = (event: BalancerEvent) => {
        if (event.type !== "connection-state" || event.endpoint.address !== address || event[what] !== "ready") return;
        this.#listeners.delete(listener);
        resolve({ atMs: performance.now(), snapshot: this.at(address) });
      };
      this.#listeners.add(listener);
    });
  }

  /** Waits until each of these endpoints was given `count` more calls; gives when that was. */
  async picked(addresses: readonly string[], count = 1): Promise<number> {
    const picks = (address: string) => this.#find(address)?.picks ?? 0;
    const before = addresses.map(picks);
    await this.#until(
      `calls on ${addresses.join(", ")}`,
      () => addresses.every((address, i) => picks(address) >= before[i]! + count),
    );
    return performance.now();
  }

  /** Waits until these endpoints are in the set and ready. */
  async ready(addresses: readonly string[]): Promise<void> {
    await this.#until("connections", () => addresses.every((address) => this.at(address).state === "ready"));
  }

  /** Waits until each of these endpoints has calls in flight. */
  async busy(addresses: readonly string[]): Promise<void> {
    await this.#until("calls in flight", () => addresses.every((address) => this.at(address).inFlight > 4));
  }

  async #until(what: string, holds: () => boolean): Promise<void> {
    let stop: unknown;
    await eventually(what, () => {
      try {
        this.#check();
      } catch (error) {
        stop = error;
        return true;
      }
      return holds();
    });
    if (stop !== undefined) throw stop;
  }
}
