import { type Checks, flag, milliseconds } from "../option.ts";
import type { Clock, Timer } from "../time/clock.ts";
import type { FrameWriter } from "./wire/frame-writer.ts";
import { Http2Error } from "./wire/error.ts";
import * as ErrorCode from "./wire/error-code.ts";

/** When a silent connection is probed with PINGs (gRPC's keepalive, gRFC A8). */
export interface KeepaliveOptions {
  /**
   * How long the server may be silent before a PING is sent, in milliseconds: immediately if calls are open, otherwise
   * with the next call, which waits for the acknowledgement before it is sent. Defaults to 30,000.
   */
  intervalMs?: number | undefined;
  /**
   * How long the acknowledgement may take before the connection counts as lost, in milliseconds. Defaults to 10,000.
   */
  timeoutMs?: number | undefined;
  /**
   * Also pings while no call is open, which keeps NATs and firewalls from forgetting the connection (A8's
   * `permit_without_stream`). The server must allow it: servers that don't close the connection. Defaults to false.
   */
  withoutCalls?: boolean | undefined;
}

/** {@link KeepaliveOptions}, plus what the connection's owner knows about its server. */
export interface KeepaliveSettings extends KeepaliveOptions {
  /** The server treats pings without open requests as abuse: none are sent then, whatever the options say. */
  pingsNeedCalls?: boolean | undefined;
}

/** The checks of {@link KeepaliveOptions}. */
export const KEEPALIVE_OPTIONS: Checks<KeepaliveOptions> = {
  intervalMs: milliseconds,
  timeoutMs: milliseconds,
  withoutCalls: flag,
};

/** What {@link Keepalive} needs from its connection. */
export interface KeepaliveHost {
  readonly clock: Clock;
  readonly writer: Pick<FrameWriter, "ping">;
  /** Whether streams are open or waiting to open. */
  readonly inUse: boolean;
  /** Reports the connection as lost. */
  fail(error: Error): void;
}

const PAYLOAD = new Uint8Array(8);

/**
 * Pings a connection on which nothing arrives. There is at most one timer, and none per request. While a PING is
 * unacknowledged, unsent requests wait too: on a dead path they would be lost.
 */
export class Keepalive {
  /** Whether a PING is unacknowledged; anything received counts as its acknowledgement. */
  asking = false;
  /** How many PINGs were sent. */
  pings = 0;
  readonly #host: KeepaliveHost;
  readonly #intervalMs: number;
  readonly #timeoutMs: number;
  readonly #withoutCalls: boolean;
  readonly #pingsNeedCalls: boolean;
  /** Whether the peer's first SETTINGS arrived. */
  #started = false;
  #heardAt = 0;
  /** With `pingsNeedCalls`: when the first request was made since something was last received. */
  #unansweredSince: number | undefined;
  #timer: Timer | undefined;

  constructor(host: KeepaliveHost, { intervalMs, timeoutMs, withoutCalls, pingsNeedCalls }: KeepaliveSettings) {
    this.#host = host;
    this.#intervalMs = intervalMs ?? 30_000;
    this.#timeoutMs = timeoutMs ?? 10_000;
    this.#pingsNeedCalls = pingsNeedCalls ?? false;
    this.#withoutCalls = !this.#pingsNeedCalls && (withoutCalls ?? false);
  }

  /** The peer's first SETTINGS arrived. */
  start(): void {
    this.#started = true;
    this.heard();
    if (this.#withoutCalls || this.#host.inUse) this.#wait();
  }

  /** Something was received. Returns true if a PING was unacknowledged. */
  heard(): boolean {
    this.#heardAt = this.#host.clock.now();
    this.#unansweredSince = undefined;
    if (!this.asking) return false;
    this.asking = false;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#withoutCalls || this.#host.inUse) this.#wait();
    return true;
  }

  /** A request was made on an idle connection. */
  busy(): void {
    if (this.asking || !this.#started) return;
    if (this.#pingsNeedCalls) this.#unansweredSince ??= this.#host.clock.now();
    // The ping goes ahead of the request.
    else if (this.#leftMs() <= 0) return this.#ask();
    if (this.#timer === undefined) this.#wait();
  }

  stop(): void {
    this.asking = false;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** How much of the interval is left. */
  #leftMs(): number {
    return (this.#unansweredSince ?? this.#heardAt) + this.#intervalMs - this.#host.clock.now();
  }

  #wait(): void {
    this.#timer = this.#host.clock.timer(this.#leftMs(), () => this.#check());
  }

  #check(): void {
    this.#timer = undefined;
    if (!this.#withoutCalls && !this.#host.inUse) return;
    if (this.#leftMs() > 0) this.#wait();
    else this.#ask();
  }

  #ask(): void {
    const { clock, writer } = this.#host;
    this.asking = true;
    this.pings++;
    writer.ping(PAYLOAD);
    this.#timer?.cancel();
    // The acknowledgement may have arrived while the process was busy or stopped: read what is there before giving up.
    this.#timer = clock.timer(this.#timeoutMs, () => this.#timer = clock.timer(0, () => this.#unanswered()));
  }

  #unanswered(): void {
    const why = `no answer to a keepalive ping within ${this.#timeoutMs} ms`;
    this.#host.fail(new Http2Error(ErrorCode.NO_ERROR, why));
  }
}
