import { type Endpoint, endpointIdentity } from "../../endpoint.ts";
import { Backoff, sleep } from "../../time/backoff.ts";
import type { Clock } from "../../time/clock.ts";
import { untilAborted } from "../../time/until-aborted.ts";
import { AuthenticationError, EtcdError } from "../driver/failure.ts";
import { inTurn } from "./authentication-queue.ts";
import type { Cursor } from "./cursor.ts";
import { HEALTHY_MS, REFUSED_RETRY_MS, RETRY } from "./pace.ts";

/**
 * How long an authentication may take, in milliseconds; twice as long after each that took longer. etcd checks a password
 * with bcrypt, a tenth of a second of one core, those of all who ask at once, and goes on when they have left: who gives
 * up early and asks again only adds to its work. That an endpoint is dead is found out sooner, by pings.
 */
const AUTHENTICATION_TIMEOUT_MS = { initial: 60_000, most: 120_000 } as const;
/** The pause after an authentication that etcd may have worked on in vain. */
const PAUSE = { initialMs: 1_000, maxMs: 40_000, factor: 2, jitter: 0.5 } as const;

/** How a token is got, and in what order. */
export interface TokensOptions {
  /** Asks for a token once. @throws EtcdError, or the signal's reason. */
  authenticate(cursor: Cursor, timeoutMs: number, signal: AbortSignal): Promise<string>;
  /** Whether an error says that the request was never sent, so that it was no work for etcd. */
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
 * The token of one user, shared by all loops of a registry, which has one authentication in progress at most. A token
 * that one etcd endpoint refused, as it was restarted, stays in use with the others.
 */
export class Tokens {
  readonly #options: TokensOptions;
  /** After authentications that etcd worked on, and after those that never reached it. */
  readonly #pause: Backoff;
  readonly #reconnect: Backoff;
  readonly #stop = new AbortController();
  #cursor: Cursor | undefined;
  #timeoutMs: number = AUTHENTICATION_TIMEOUT_MS.initial;
  /** "" once etcd said that it wants none. */
  #token: string | undefined;
  #sinceMs = 0;
  /** The endpoints that refused it. */
  readonly #refusedAt = new Set<string>();
  #asking: Promise<string> | undefined;
  /** Aborts when the next token comes. */
  #arrival = new AbortController();
  #notBeforeMs = -Infinity;
  #failure: AuthenticationError | undefined;

  constructor(options: TokensOptions) {
    this.#options = options;
    this.#pause = new Backoff(PAUSE, options.random);
    this.#reconnect = new Backoff(RETRY, options.random);
  }

  /** The token that is there, good or not. */
  get present(): string | undefined {
    return this.#token || undefined;
  }

  /**
   * The token for an endpoint, waited for if it is being fetched. Who is in no hurry lets up to `spreadMs` pass before it
   * asks for one.
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
    // Not under the caller's signal: others may wait for the same answer. It has a timeout of its own.
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    return await untilAborted(this.#asking, signal) || undefined;
  }

  /** The endpoint refused this token; another one that came meanwhile is kept. */
  refused(token: string | undefined, endpoint: Endpoint): void {
    if (this.#token !== (token ?? "")) return;
    if (this.#refusedAt.size === 0) {
      const now = this.#options.clock.now();
      if (now - this.#sinceMs >= HEALTHY_MS) this.#pause.reset();
      const pauseMs = this.#pause.next();
      // At once, unless one token after another is refused as soon as it came.
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

  /** Asks one endpoint, or the first that can be reached: what was never sent was no work for etcd. */
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
    // The next one begins wherever an answer came from last.
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
