import { ErrorCode } from "../wire/error.ts";
import type { ConnectionTimes } from "./options.ts";
import type { Requests, ServerEndpoint } from "./requests.ts";
import type { ServerStream } from "./stream.ts";
import type { SweepAllowance, Swept } from "./sweeper.ts";

/** The connection of a {@link Lifetime}. */
export interface LivingConnection extends ServerEndpoint {
  readonly requests: Requests;
  readonly state: string;
  drain(): void;
  close(why?: string): void;
}

const HANDSHAKE_MS = 10_000;
const REQUEST_MS = 60_000;

/** The shortest of these times, which sweeps must be able to measure. */
export function leastMs(times: ConnectionTimes): number {
  const { handshakeTimeoutMs = HANDSHAKE_MS, requestTimeoutMs = REQUEST_MS, maxConnectionIdleMs = Infinity } = times;
  const { maxConnectionAgeMs = Infinity, maxConnectionAgeGraceMs = Infinity } = times;
  return Math.min(
    handshakeTimeoutMs,
    requestTimeoutMs,
    maxConnectionIdleMs,
    maxConnectionAgeMs,
    maxConnectionAgeGraceMs || Infinity,
  );
}

/** Ends connections, requests and responses that take too long, as of the last sweep. */
export class Lifetime implements Swept {
  watched = false;
  readonly #connection: LivingConnection;
  readonly #handshakeMs: number;
  readonly #requestMs: number;
  readonly #idleMs: number;
  readonly #ageMs: number;
  readonly #graceMs: number;
  readonly #bornAt: number;
  /** The number of writes at the last sweep that saw the connection idle, and when that was first so. */
  #writes = -1;
  #idleSince = 0;

  constructor(connection: LivingConnection, times: ConnectionTimes = {}, random: () => number = Math.random) {
    this.#connection = connection;
    this.#bornAt = connection.clock.now();
    this.#handshakeMs = times.handshakeTimeoutMs ?? HANDSHAKE_MS;
    this.#requestMs = times.requestTimeoutMs ?? REQUEST_MS;
    this.#idleMs = times.maxConnectionIdleMs ?? Infinity;
    // At random, so that the clients of a server don't all come back at once.
    this.#ageMs = (times.maxConnectionAgeMs ?? Infinity) * (0.9 + 0.2 * random());
    this.#graceMs = times.maxConnectionAgeGraceMs ?? Infinity;
  }

  sweep(now: number, allowance: SweepAllowance): boolean {
    const { streams, state } = this.#connection;
    if (state === "opening") {
      if (now - this.#bornAt < this.#handshakeMs) return true;
      allowance.left--;
      this.#connection.close("no HTTP/2 preface in time");
      return true;
    }
    for (const stream of streams) {
      if (allowance.left <= 0) return true;
      if (this.#ended(stream, now)) allowance.left--;
    }
    const age = now - this.#bornAt;
    if (age >= this.#ageMs + this.#graceMs) this.#connection.close("max_age");
    else if (age >= this.#ageMs) this.#connection.drain();
    if (state !== this.#connection.state) allowance.left--;
    const idle = this.#isIdle(now);
    return !idle || this.#idleMs < Infinity || this.#ageMs < Infinity;
  }

  /** Whether nothing has been sent since the last sweep, nor is anything open. */
  #isIdle(now: number): boolean {
    const { streams, writer } = this.#connection;
    if (streams.size > 0 || writer.writes !== this.#writes) {
      this.#writes = streams.size > 0 ? -1 : writer.writes;
      this.#idleSince = now;
      return false;
    }
    const idleMs = now - this.#idleSince;
    if (idleMs >= this.#idleMs) this.#connection.drain();
    if (!writer.blocked) {
      writer.release();
      return true;
    }
    if (idleMs >= this.#requestMs) this.#connection.close("the client doesn't read its responses");
    return false;
  }

  /** Ends a request or a response that takes too long; returns whether it did. */
  #ended(stream: ServerStream, now: number): boolean {
    const waiting = stream.endReceived || stream.longLived || !stream.responding ? stuckBytes(stream) : -1;
    // It waits for nothing but its handler, or got on since the last sweep.
    if (waiting === 0 || waiting !== stream.stuckBytes) {
      stream.stuckBytes = waiting;
      stream.stuckSince = now;
      return false;
    }
    if (now - stream.stuckSince < this.#requestMs) return false;
    const { requests } = this.#connection;
    if (waiting > 0) {
      requests.reset(stream, ErrorCode.CANCEL);
    } else {
      stream.onRequestTimeout();
      requests.giveUp(stream, ErrorCode.CANCEL, `the request was not complete in ${this.#requestMs} ms`);
    }
    return true;
  }
}

/** What waits of a response that is otherwise finished. */
function stuckBytes(stream: ServerStream): number {
  return stream.responding ? 0 : stream.outgoingBytes;
}
