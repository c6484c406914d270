import { type Endpoint, endpointIdentity } from "../../endpoint.ts";
import { Backoff, sleep } from "../../time/backoff.ts";
import type { Clock } from "../../time/clock.ts";
import { untilAborted } from "../../time/until-aborted.ts";
import { AuthenticationError, EtcdError } from "../driver/failure.ts";
import { inTurn } from "./authentication-queue.ts";
import type { Cursor } from "./cursor.ts";
import { HEALTHY_MS, REFUSED_RETRY_MS, RETRY } from "./pace.ts";

/**
 * The timeout of an authentication, in milliseconds; doubled after each one that times out. etcd checks a password with
 * bcrypt, a tenth of a second of one core, for everyone who asks, and continues for those who have gone: giving up
 * early and asking again only adds to its work. A dead endpoint is detected earlier, by pings.
 */
const AUTHENTICATION_TIMEOUT_MS = { initial: 60_000, most: 120_000 } as const;
/** The pause after a failed authentication that may have cost etcd work. */
const PAUSE = { initialMs: 1_000, maxMs: 40_000, factor: 2, jitter: 0.5 } as const;

/** How a token is obtained, and in what order. */
export interface TokensOptions {
  /** Requests a token once. @throws EtcdError, or the signal's reason. */
  authenticate(cursor: Cursor, timeoutMs: number, signal: AbortSignal): Promise<string>;
  /** Whether an error means that the request was never sent and so cost etcd no work. */
  unsent(error: EtcdError): boolean;
  /** Where the first authentication goes. */
  cursor(): Cursor;
  /** How many endpoints there are. */
  readonly endpoints: number;
  /** The queue in which authentications take turns; see `inTurn`. */
  readonly queue: string;
  readonly clock: Clock;
  readonly random: () => number;
}

/**
 * The token of one user, shared by all loops of a registry, with at most one authentication in progress. A token that
 * one etcd endpoint refused because it was restarted stays in use with the others.
 */
export class Tokens {
  readonly #options: TokensOptions;
  /** The pauses after authentications that etcd worked on, and after those that never reached it. */
  readonly #pause: Backoff;
  readonly #reconnect: Backoff;
  readonly #stop = new AbortController();
  #cursor: Cursor | undefined;
  #timeoutMs: number = AUTHENTICATION_TIMEOUT_MS.initial;
  /** "" once etcd has reported that authentication is disabled. */
  #token: string | undefined;
  #sinceMs = 0;
  /** The endpoints that refused the token. */
  readonly #refusedAt = new Set<string>();
  #asking: Promise<string> | undefined;
  /** Aborts when the next token arrives. */
  #arrival = new AbortController();
  #notBeforeMs = -Infinity;
  #failure: AuthenticationError | undefined;

  constructor(options: TokensOptions) {
    this.#options = options;
    this.#pause = new Backoff(PAUSE, options.random);
    this.#reconnect = new Backoff(RETRY, options.random);
  }

  /** The current token, valid or not. */
  get present(): string | undefined {
    return this.#token || undefined;
  }

  /**
   * Returns the token for an endpoint, waiting for one that is being fetched. A caller that is not in a hurry lets up
   * to `spreadMs` pass before it requests one.
   *
   * @throws AuthenticationError, or the signal's reason.
   */
  async get(endpoint: Endpoint, signal: AbortSignal, spreadMs = 0): Promise<string | undefined> {
    if (this.#token !== undefined && !this.#refusedAt.has(endpointIdentity(endpoint))) return this.present;
    const { clock, random } = this.#options;
    if (this.#failure !== undefined && clock.now() < this.#failure.retryAtMs) throw this.#failure;
    if (spreadMs > 0 && this.#asking === undefined) {
      await sleep(clock, spreadMs * random(), AbortSignal.any([signal, this.#arrival.signal]));
      signal.throwIfAborted();
      return await this.get(endpoint, signal);
    }
    // Not under the caller's signal: others may wait for the same answer. It has its own timeout.
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    return await untilAborted(this.#asking, signal) || undefined;
  }

  /** The endpoint refused this token. Does nothing if a newer token has arrived in the meantime. */
  refused(token: string | undefined, endpoint: Endpoint): void {
    if (this.#token !== (token ?? "")) return;
    if (this.#refusedAt.size === 0) {
      const now = this.#options.clock.now();
      if (now - this.#sinceMs >= HEALTHY_MS) this.#pause.reset();
      const pauseMs = this.#pause.next();
      // Immediately, unless one token after another is refused as soon as it arrives.
      if (this.#pause.tries > 1) this.#notBeforeMs = now + pauseMs;
    }
    this.#refusedAt.add(endpointIdentity(endpoint));
  }

  /** Ends the authentication in progress. */
  close(): void {
    this.#stop.abort(new EtcdError("the registry was closed", "transient"));
  }

  async #ask(): Promise<string> {
    const { clock, queue, cursor } = this.#options;
    const { signal } = this.#stop;
    const at = this.#cursor ??= cursor();
    let startedMs = clock.now();
    if (startedMs < this.#notBeforeMs) await sleep(clock, this.#notBeforeMs - startedMs, signal);
    try {
      this.#got(
        await inTurn(queue, signal, () => {
          startedMs = clock.now();
          return this.#authenticate(at, signal);
        }),
      );
    } catch (error) {
      if (!(error instanceof EtcdError) || signal.aborted) throw error;
      if (error.kind !== "auth-disabled") throw this.#failed(error, clock.now() - startedMs);
      this.#got("");
    }
    return this.#token as string;
  }

  /** Authenticates at one endpoint, or at the first reachable one: what was never sent cost etcd no work. */
  async #authenticate(at: Cursor, signal: AbortSignal): Promise<string> {
    const { authenticate, endpoints, unsent } = this.#options;
    for (let tries = 1;; tries++) {
      try {
        return await authenticate(at, this.#timeoutMs, signal);
      } catch (error) {
        if (signal.aborted || tries >= endpoints || !(error instanceof EtcdError) || !unsent(error)) throw error;
        at.next();
      }
    }
  }

  #got(token: string): void {
    this.#token = token;
    this.#sinceMs = this.#options.clock.now();
    this.#refusedAt.clear();
    this.#failure = undefined;
    this.#arrival.abort();
    this.#arrival = new AbortController();
    // The next one starts at the endpoint that answered last.
    this.#cursor = undefined;
    this.#timeoutMs = AUTHENTICATION_TIMEOUT_MS.initial;
    this.#reconnect.reset();
  }

  #failed(error: EtcdError, tookMs: number): AuthenticationError {
    const { clock, unsent } = this.#options;
    const { most } = AUTHENTICATION_TIMEOUT_MS;
    if (tookMs >= this.#timeoutMs) this.#timeoutMs = Math.min(most, 2 * this.#timeoutMs);
    this.#cursor?.next();
    const pauseMs = error.kind === "refused"
      ? REFUSED_RETRY_MS
      : unsent(error)
      ? this.#reconnect.next()
      : this.#pause.next();
    return this.#failure = new AuthenticationError(error, clock.now() + pauseMs);
  }
}
