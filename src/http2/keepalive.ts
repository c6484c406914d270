import type { Timer } from "../time/clock.ts";
import type { Connection } from "./connection.ts";
import { ErrorCode, Http2Error } from "./error.ts";

/** When a silent connection is asked whether it lives (gRPC's keepalive, gRFC A8). */
export interface KeepaliveOptions {
  /** How long nothing may come, while requests are in flight, before a PING is sent; in milliseconds. Defaults to 30,000. */
  intervalMs?: number | undefined;
  /** How long the answer may take before the connection counts as lost; in milliseconds. Defaults to 10,000. */
  timeoutMs?: number | undefined;
}

const PAYLOAD = new Uint8Array(8);

/** Pings a connection on which requests wait and nothing comes. One timer at most, and none for each request. */
export class Keepalive {
  readonly #connection: Connection;
  readonly #intervalMs: number;
  readonly #timeoutMs: number;
  #heardAt = 0;
  /** Whether a PING waits for its answer; whatever comes counts as one. */
  #asking = false;
  #timer: Timer | undefined;

  constructor(connection: Connection, options: KeepaliveOptions) {
    this.#connection = connection;
    this.#intervalMs = options.intervalMs ?? 30_000;
    this.#timeoutMs = options.timeoutMs ?? 10_000;
  }

  /** Something came. */
  heard(): void {
    this.#heardAt = this.#connection.clock.now();
    if (!this.#asking) return;
    this.#asking = false;
    this.#timer?.cancel();
    this.#wait(this.#intervalMs);
  }

  /** There are requests in flight now. */
  busy(): void {
    // Also when a timer is left of former requests: silence before these says nothing.
    this.#heardAt = this.#connection.clock.now();
    if (this.#timer === undefined) this.#wait(this.#intervalMs);
  }

  stop(): void {
    this.#asking = false;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #wait(delayMs: number): void {
    this.#timer = this.#connection.clock.timer(delayMs, () => this.#check());
  }

  #check(): void {
    this.#timer = undefined;
    const { clock, requests, writer } = this.#connection;
    if (requests.none) return;
    const left = this.#heardAt + this.#intervalMs - clock.now();
    if (left > 0) return this.#wait(left);
    this.#asking = true;
    writer.ping(PAYLOAD, 0, false);
    this.#timer = clock.timer(this.#timeoutMs, () => {
      const why = `no answer to a keepalive ping within ${this.#timeoutMs} ms`;
      this.#connection.fail(new Http2Error(ErrorCode.NO_ERROR, why));
    });
  }
}
