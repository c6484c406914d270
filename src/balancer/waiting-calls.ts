import type { EndpointConnection } from "../connection/endpoint-connection.ts";
import { Line } from "./line.ts";
import type { PendingCall } from "./picker-source.ts";

/** The calls that wait at a balancer, first come, first served, and the connections that have room for them. */
export class WaitingCalls {
  /** Calls that were given a connection before; they go first, since they arrived earlier. */
  readonly #returned = new Line();
  readonly #line = new Line();
  /** Connections that have room again, until it is given to calls. */
  #withRoom: EndpointConnection[] = [];
  /** Calls that arrived while room is about to be given. */
  #latecomers: PendingCall[] = [];

  get size(): number {
    return this.#returned.size + this.#line.size;
  }

  /** See `PickerSource.serving`. */
  get serving(): boolean {
    return this.#withRoom.length > 0;
  }

  /** Retries the call now and at each `retryAll`, until it is deleted. */
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

  /** Calls that find no connection stay. */
  retryAll(): void {
    for (const call of this.#returned) call.retry();
    for (const call of this.#line) call.retry();
  }

  /**
   * Gives the room to waiting calls, but not immediately: whatever ended one call, such as a shared signal, may be
   * about to end the waiting ones, and several may end together.
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
    // There may be room elsewhere for these.
    for (const call of latecomers) if (this.#lineOf(call).has(call)) call.retry();
  }

  /** Serves a line until the room is used up; calls further back are not even visited. */
  #give(line: Line, withRoom: EndpointConnection[]): void {
    for (const call of line) {
      while (withRoom.length > 0 && !withRoom.at(-1)!.available) withRoom.pop();
      if (withRoom.length === 0) return;
      if (call.wantsConnection) call.retry();
    }
  }
}
