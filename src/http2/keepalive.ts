import { type Checks, flag, milliseconds } from "../option.ts";
import type { Clock, Timer } from "../time/clock.ts";
import type { FrameWriter } from "./wire/frame-writer.ts";
import { ErrorCode, Http2Error } from "./wire/error.ts";

/** When a silent connection is asked whether it lives (gRPC's keepalive, gRFC A8). */
export interface KeepaliveOptions {
  /**
   * After how much silence of the server a PING is sent, in milliseconds: at once if calls are open, else with the next
   * call, which then waits for the answer before it is sent. Defaults to 30,000.
   */
  intervalMs?: number | undefined;
  /** How long the answer may take before the connection counts as lost; in milliseconds. Defaults to 10,000. */
  timeoutMs?: number | undefined;
  /**
   * Pings while no call is open, too, which keeps the connection in the memory of a NAT or firewall (A8's
   * `permit_without_stream`). Servers must allow it: others end the connection. Defaults to false.
   */
  withoutCalls?: boolean | undefined;
}

/** {@link KeepaliveOptions}, and what the owner of the connection knows of its server. */
export interface KeepaliveSettings extends KeepaliveOptions {
  /** The server takes a ping for abuse while no request is open: none is sent then, whatever the options say. */
  pingsNeedCalls?: boolean | undefined;
}

/** The checks of {@link KeepaliveOptions}. */
export const KEEPALIVE_OPTIONS: Checks<KeepaliveOptions> = {
  intervalMs: milliseconds,
  timeoutMs: milliseconds,
  withoutCalls: flag,
};

/** What a keepalive needs of its connection. */
export interface KeepaliveHost {
  readonly clock: Clock;
  readonly writer: Pick<FrameWriter, "ping">;
  /** Whether streams are open, or wait to be. */
  readonly inUse: boolean;
  /** The connection is lost. */
  fail(error: Error): void;
}

const PAYLOAD = new Uint8Array(8);

/**
 * Pings a connection on which nothing comes. One timer at most, and none for each request. While a PING waits for its
 * answer, requests that are not sent yet wait, too: on a path that is dead they would be lost.
 */
export class Keepalive {
  /** Whether a PING waits for its answer; whatever comes counts as one. */
  asking = false;
  readonly #host: KeepaliveHost;
  readonly #intervalMs: number;
  readonly #timeoutMs: number;
  readonly #withoutCalls: boolean;
  readonly #pingsNeedCalls: boolean;
  /** Whether the peer's first SETTINGS came. */
  #started = false;
  #heardAt = 0;
  /** With `pingsNeedCalls`: when the first request was made since something came. */
  #unansweredSince: number | undefined;
  #timer: Timer | undefined;

  constructor(host: KeepaliveHost, { intervalMs, timeoutMs, withoutCalls, pingsNeedCalls }: KeepaliveSettings) {
    this.#host = host;
    this.#intervalMs = intervalMs ?? 30_000;
    this.#timeoutMs = timeoutMs ?? 10_000;
    this.#pingsNeedCalls = pingsNeedCalls ?? false;
    this.#withoutCalls = !this.#pingsNeedCalls && (withoutCalls ?? false);
  }

  /** The server is there. */
  start(): void {
    this.#started = true;
    this.heard();
    if (this.#withoutCalls || this.#host.inUse) this.#wait();
  }

  /** Something came; true if a PING waited for it. */
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

  /** There is a request again. */
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
    writer.ping(PAYLOAD);
    this.#timer?.cancel();
    // The answer may have come while the process was busy or stopped: what has come is read before the verdict.
    this.#timer = clock.timer(this.#timeoutMs, () => this.#timer = clock.timer(0, () => this.#unanswered()));
  }

  #unanswered(): void {
    const why = `no answer to a keepalive ping within ${this.#timeoutMs} ms`;
    this.#host.fail(new Http2Error(ErrorCode.NO_ERROR, why));
  }
}
