import { type Endpoint, endpointIdentity } from "../../endpoint.ts";
import { sleep } from "../../time/backoff.ts";
import type { Clock } from "../../time/clock.ts";
import { untilAborted } from "../../time/until-aborted.ts";
import { AuthenticationError, EtcdError } from "../driver/failure.ts";
import { inTurn } from "./authentication-queue.ts";
import { AUTHENTICATION_TIMEOUT_MS, type TokenState } from "./client-state.ts";
import type { Cursor } from "./cursor.ts";
import { HEALTHY_MS, REFUSED_RETRY_MS } from "./pace.ts";

/** How a token is obtained, and in what order. */
export interface TokensOptions {
  /** Requests a token once. @throws EtcdError, or the signal's reason. */
  authenticate(cursor: Cursor, timeoutMs: number, signal: AbortSignal): Promise<string>;
  /** Whether an error means that the request was never sent and so cost etcd no work. */
  unsent(error: EtcdError): boolean;
  /** Where the first authentication goes. */
  cursor(): Cursor;
  /** Waits until an endpoint can be asked, and moves the cursor there. @throws The signal's reason. */
  avoidBackoff(cursor: Cursor, signal: AbortSignal): Promise<void>;
  /** How long the cursor's endpoint is in backoff, in milliseconds. */
  backoffMs(cursor: Cursor): number;
  /** How many endpoints there are. */
  readonly endpoints: number;
  readonly state: TokenState;
  /** The queue in which authentications take turns; see `inTurn`. Undefined: they don't. */
  readonly queue: string | undefined;
  readonly clock: Clock;
  readonly random: () => number;
}

/**
 * The token of one user, shared by all loops of a registry, with at most one authentication in progress. A token that
 * one etcd endpoint refused because it was restarted stays in use with the others.
 */
export class Tokens {
  readonly #options: TokensOptions;
  readonly #state: TokenState;
  readonly #stop = new AbortController();
  #asking: Promise<string> | undefined;
  /** Aborts when the next token arrives. */
  #arrival = new AbortController();

  constructor(options: TokensOptions) {
    this.#options = options;
    this.#state = options.state;
  }

  /** The current token, valid or not. */
  get present(): string | undefined {
    return this.#state.token || undefined;
  }

  /**
   * Returns the token for an endpoint, waiting for one that is being fetched. A caller that is not in a hurry lets up
   * to `spreadMs` pass before it requests one.
   *
   * @throws AuthenticationError, or the signal's reason.
   */
  async get(endpoint: Endpoint, signal: AbortSignal, spreadMs = 0): Promise<string | undefined> {
    if (this.#state.token !== undefined && !this.#state.refusedAt.has(endpointIdentity(endpoint))) return this.present;
    const { clock, random } = this.#options;
    if (this.#state.failure !== undefined && clock.now() < this.#state.failure.retryAtMs) throw this.#state.failure;
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
    if (this.#state.token !== (token ?? "")) return;
    if (this.#state.refusedAt.size === 0) {
      const now = this.#options.clock.now(), ageMs = now - this.#state.sinceMs;
      // One that lasted longer than the pause before it did its work, however short a life etcd gives its tokens.
      if (ageMs >= Math.min(HEALTHY_MS, this.#state.pauseMs)) this.#state.pause.reset();
      this.#state.pauseMs = this.#state.pause.next();
      // Immediately, unless one token after another is refused as soon as it arrives.
      if (this.#state.pause.tries > 1) this.#state.notBeforeMs = now + this.#state.pauseMs;
    }
    this.#state.refusedAt.add(endpointIdentity(endpoint));
  }

  /** Ends the authentication in progress. */
  close(): void {
    this.#stop.abort(new EtcdError("the registry was closed", "transient"));
  }

  async #ask(): Promise<string> {
    const { clock, queue, cursor, avoidBackoff, backoffMs } = this.#options;
    const { signal } = this.#stop;
    const at = this.#state.cursor ??= cursor();
    let startedMs = clock.now();
    if (startedMs < this.#state.notBeforeMs) await sleep(clock, this.#state.notBeforeMs - startedMs, signal);
    try {
      const authenticate = async () => {
        startedMs = clock.now();
        // Others may have found out meanwhile that it can't be reached: then it is their turn while this one waits.
        return backoffMs(at) > 0 ? undefined : await this.#authenticate(at, signal);
      };
      let token: string | undefined;
      while (token === undefined) {
        await avoidBackoff(at, signal);
        token = await (queue === undefined ? authenticate() : inTurn(queue, signal, authenticate));
      }
      this.#got(token);
    } catch (error) {
      if (!(error instanceof EtcdError) || signal.aborted) throw error;
      if (error.kind !== "auth-disabled") throw this.#failed(error, clock.now() - startedMs);
      this.#got("");
    }
    return this.#state.token as string;
  }

  /** Authenticates at one endpoint, or at the first reachable one: what was never sent cost etcd no work. */
  async #authenticate(at: Cursor, signal: AbortSignal): Promise<string> {
    const { authenticate, endpoints, unsent, backoffMs } = this.#options;
    for (let tries = 1;; tries++) {
      try {
        return await authenticate(at, this.#state.timeoutMs, signal);
      } catch (error) {
        if (signal.aborted || tries >= endpoints || !(error instanceof EtcdError) || !unsent(error)) throw error;
        at.next();
        if (backoffMs(at) > 0) throw error;
      }
    }
  }

  #got(token: string): void {
    this.#state.token = token;
    this.#state.sinceMs = this.#options.clock.now();
    this.#state.refusedAt.clear();
    this.#state.failure = undefined;
    this.#arrival.abort();
    this.#arrival = new AbortController();
    // The next one starts at the endpoint that answered last.
    this.#state.cursor = undefined;
    this.#state.timeoutMs = AUTHENTICATION_TIMEOUT_MS.initial;
    this.#state.reconnect.reset();
  }

  #failed(error: EtcdError, tookMs: number): AuthenticationError {
    const { clock, unsent } = this.#options;
    if (tookMs >= this.#state.timeoutMs) this.#state.timeoutMs = AUTHENTICATION_TIMEOUT_MS.most;
    this.#state.cursor?.next();
    const pauseMs = error.kind === "refused"
      ? REFUSED_RETRY_MS
      : unsent(error)
      ? this.#state.reconnect.next()
      : this.#state.pause.next();
    return this.#state.failure = new AuthenticationError(error, clock.now() + pauseMs);
  }
}
