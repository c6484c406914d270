import type { EndpointConnection } from "../connection/endpoint-connection.ts";
import { Line } from "./line.ts";
import type { PendingCall } from "./picker-source.ts";

/** The calls that wait at a balancer, first come, first served; and the room that has come up for them. */
export class WaitingCalls {
  /** Calls that were given a connection before go first, since they came earlier. */
  readonly #returned = new Line();
  readonly #line = new Line();
  /** Connections that have room again, until calls were given it. */
  #withRoom: EndpointConnection[] = [];
  /** Calls that came meanwhile. */
  #latecomers: PendingCall[] = [];

  get size(): number {
    return this.#returned.size + this.#line.size;
  }

  /** See `PickerSource.serving`. */
  get serving(): boolean {
    return this.#withRoom.length > 0;
  }

  /** Has the call look now, and at each `retryAll`, until it is deleted. */
  add(call: PendingCall): void {
    this.#lineOf(call).add(call);
    if (this.serving && call.wantsConnection) this.#latecomers.push(call);
    else call.retry();
  }

  delete(call: PendingCall): void {
    this.#lineOf(call).delete(call);
  }

  #lineOf(call: PendingCall): Line {
    return call.returned ? this.#returned : this.#line;
  }

  /** A call that finds nothing stays. */
  retryAll(): void {
    for (const call of this.#returned) call.retry();
    for (const call of this.#line) call.retry();
  }

  /**
   * Calls in line are given the room, not at once: what ended one call may be about to end those that wait, such as a
   * signal that they share, and several may end together.
   */
  hasRoom(connection: EndpointConnection): void {
    if (this.size === 0) return;
    this.#withRoom.push(connection);
    if (this.#withRoom.length === 1) queueMicrotask(() => this.#serve());
  }

  #serve(): void {
    const withRoom = this.#withRoom, latecomers = this.#latecomers;
    this.#withRoom = [];
    this.#latecomers = [];
    this.#give(this.#returned, withRoom);
    this.#give(this.#line, withRoom);
    // For these there may be room elsewhere.
    for (const call of latecomers) if (this.#lineOf(call).has(call)) call.retry();
  }

  /** Serves a line as far as the room goes: who stands further back in a long one is not even looked at. */
  #give(line: Line, withRoom: EndpointConnection[]): void {
    for (const call of line) {
      while (withRoom.length > 0 && !withRoom.at(-1)!.available) withRoom.pop();
      if (withRoom.length === 0) return;
      if (call.wantsConnection) call.retry();
    }
  }
}
