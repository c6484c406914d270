import { type Endpoint, endpointIdentity } from "../../endpoint.ts";
import { asError } from "../../error-text.ts";
import { sleep } from "../../time/backoff.ts";
import { type Clock, MAX_DELAY_MS } from "../../time/clock.ts";
import { untilAborted } from "../../time/until-aborted.ts";
import type { AttemptContext, EtcdDriver, RequestDriver } from "../driver/driver.ts";
import { EtcdError } from "../driver/failure.ts";
import { Attempts } from "./attempts.ts";
import { queueName } from "./authentication-queue.ts";
import { type ClientState, TokenState } from "./client-state.ts";
import { createCursor, type Cursor } from "./cursor.ts";
import { Tokens } from "./tokens.ts";

/** The default of `requestTimeoutMs`: how long etcd may take to answer before its endpoint is considered dead. */
export const REQUEST_TIMEOUT_MS = 3_000;

export interface EtcdClientOptions<Driver extends RequestDriver = EtcdDriver> {
  readonly driver: Driver;
  readonly endpoints: readonly Endpoint[];
  readonly user?: { readonly name: string; readonly password: string } | undefined;
  /** How long a request may take, in milliseconds. Defaults to {@link REQUEST_TIMEOUT_MS}. */
  readonly requestTimeoutMs?: number | undefined;
  readonly clock: Clock;
  readonly random: () => number;
  /** What the clients of one registry share. Defaults to nothing. */
  readonly state?: ClientState;
  /** Whether it must wait for nothing that another client does. Defaults to false: authentications take turns. */
  readonly alone?: boolean;
}

/** The limits of one attempt. */
export interface AttemptOptions {
  /** In milliseconds. Defaults to the client's `requestTimeoutMs`. */
  readonly timeoutMs?: number;
  /**
   * Try with the current token first, even one that was refused: for requests whose token not every version of etcd
   * checks. Defaults to false: wait for a valid token.
   */
  readonly anyToken?: boolean;
  /**
   * For requests that are not urgent: the longest delay before a new token is requested, in milliseconds. Defaults to
   * 0.
   */
  readonly tokenSpreadMs?: number;
  /**
   * How long the attempt continues, in milliseconds, after it has timed out and its caller has moved on. Defaults to 0.
   * A slow etcd still processes the request, unless the call is cancelled.
   */
  readonly lingerMs?: number;
  /** Whether a pending attempt keeps the process alive. Defaults to false. */
  readonly hold?: boolean;
  /** When the answer is needed, in milliseconds of the clock; see {@link AttemptContext}. Defaults to no time. */
  readonly neededByMs?: number;
}

/** Adds what drivers leave out: endpoint, deadline and auth token. Retries only once, after a refused token. */
export class EtcdClient<out Driver extends RequestDriver = EtcdDriver> {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly random: () => number;
  readonly endpoints: readonly Endpoint[];
  readonly requestTimeoutMs: number;
  readonly #tokens: Tokens | undefined;
  readonly #attempts: Attempts;
  readonly #lossListeners = new Set<(endpoint: Endpoint) => void>();
  readonly #state: ClientState;
  readonly #alone: boolean;

  constructor({
    driver,
    endpoints,
    user,
    requestTimeoutMs,
    clock,
    random,
    state = {},
    alone = false,
  }: EtcdClientOptions<Driver>) {
    this.driver = driver;
    this.endpoints = endpoints;
    this.requestTimeoutMs = requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
    this.clock = clock;
    this.random = random;
    this.#state = state;
    this.#alone = alone;
    this.#attempts = new Attempts(driver);
    driver.onLost((endpoint) => {
      for (const listener of [...this.#lossListeners]) listener(endpoint);
    });
    if (user !== undefined) this.#tokens = this.#tokensOf(user);
  }

  cursor(): Cursor {
    const { endpoints } = this;
    this.#state.start ??= Math.floor(this.random() * endpoints.length) % endpoints.length;
    return createCursor(endpoints, this.#state.start, (endpoint) => this.#backoffMs(endpoint));
  }

  #backoffMs(endpoint: Endpoint, neededByMs?: number): number {
    return this.driver.backoffMs?.(endpoint, neededByMs) ?? 0;
  }

  /**
   * Moves a cursor off an endpoint in backoff. If all are, waits, so that an attempt's time begins when its connection may
   * be opened.
   *
   * @throws The signal's reason.
   */
  async avoidBackoff(
    cursor: Cursor,
    signal: AbortSignal,
    { neededByMs, hold }: AttemptOptions = {},
  ): Promise<void> {
    cursor.avoidBackoff();
    const waitMs = this.#backoffMs(cursor.endpoint, neededByMs);
    if (waitMs > 0) await sleep(this.clock, waitMs, signal, hold);
    signal.throwIfAborted();
  }

  /** When a loop that tries again in so many milliseconds really does: not before the backoff is over. */
  retryInMs(cursor: Cursor, inMs: number): number {
    return Math.max(inMs, Math.ceil(this.#backoffMs(cursor.endpoint)));
  }

  /** Calls back when the connection to the cursor's endpoint is lost. Returns a function that unsubscribes. */
  onLost(cursor: Cursor, callback: () => void): () => void {
    const listener = (endpoint: Endpoint) => {
      if (endpointIdentity(endpoint) === endpointIdentity(cursor.endpoint)) callback();
    };
    this.#lossListeners.add(listener);
    return () => void this.#lossListeners.delete(listener);
  }

  /**
   * Makes one attempt at a unary call on the cursor's endpoint, and a second one if the token was refused.
   *
   * @throws EtcdError for every failure except the signal's own abort, whose reason is thrown as it is.
   */
  async unary<T>(
    cursor: Cursor,
    signal: AbortSignal,
    attempt: (context: AttemptContext) => Promise<T>,
    options: AttemptOptions = {},
  ): Promise<T> {
    await this.avoidBackoff(cursor, signal, options);
    if (this.#tokens === undefined) return await this.#attempt(cursor, signal, options, attempt);
    const { endpoint } = cursor;
    const held = options.hold ? this.clock.timer(MAX_DELAY_MS, () => {}, true) : undefined;
    try {
      const token = options.anyToken
        ? this.#tokens.present
        : await this.#tokens.get(endpoint, signal, options.tokenSpreadMs);
      try {
        return await this.#attempt(cursor, signal, options, attempt, token);
      } catch (error) {
        if (!this.refusesToken(error, endpoint, token)) throw error;
        const renewed = await this.#tokens.get(endpoint, signal, options.tokenSpreadMs);
        return await this.#attempt(cursor, signal, options, attempt, renewed);
      }
    } finally {
      held?.cancel();
    }
  }

  /** Makes one attempt on each endpoint until one succeeds. @throws the last EtcdError, or the signal's reason. */
  async anyEndpoint<T>(
    signal: AbortSignal,
    attempt: (context: AttemptContext) => Promise<T>,
    options?: AttemptOptions,
  ): Promise<T> {
    const cursor = this.cursor();
    for (let tries = 1;; tries++) {
      try {
        return await this.unary(cursor, signal, attempt, options);
      } catch (error) {
        if (signal.aborted || tries >= this.endpoints.length) throw error;
        cursor.next();
      }
    }
  }

  /** The token to send, if this client has a user. @throws AuthenticationError, or the signal's reason. */
  async token(cursor: Cursor, signal: AbortSignal): Promise<string | undefined> {
    return await this.#tokens?.get(cursor.endpoint, signal);
  }

  /** Whether an error means that the endpoint no longer accepts this token; if so, a new one is fetched when needed. */
  refusesToken(error: unknown, endpoint: Endpoint, token: string | undefined): boolean {
    if (this.#tokens === undefined || !(error instanceof EtcdError) || error.kind !== "token") return false;
    this.#tokens.refused(token, endpoint);
    return true;
  }

  /** Closes all sessions and fails what waits for a token. Never rejects. */
  async close(): Promise<void> {
    this.#tokens?.close();
    await this.driver.close();
  }

  /** The error of an attempt on the endpoint, classified. */
  failure(endpoint: Endpoint, thrown: unknown): EtcdError {
    const said = thrown instanceof EtcdError ? thrown.kind : this.driver.classify(thrown);
    // Without a password no token can be renewed: it takes a person to fix that.
    const kind = said === "token" && this.#tokens === undefined ? "refused" : said;
    if (thrown instanceof EtcdError && kind === said) return thrown;
    return new EtcdError(`etcd at ${endpoint.address}: ${asError(thrown).message}`, kind, thrown);
  }

  #tokensOf(user: { readonly name: string; readonly password: string }): Tokens {
    const { driver, endpoints, clock, random } = this;
    return new Tokens({
      authenticate: async (cursor, timeoutMs, signal) => {
        const options = { timeoutMs: Math.max(timeoutMs, this.requestTimeoutMs) };
        return await this.#attempt(cursor, signal, options, (context) => {
          if (driver.authenticate === undefined) throw new Error("this etcd driver does not support passwords");
          return driver.authenticate(user, context);
        });
      },
      unsent: ({ cause }) => driver.unsent?.(cause) === true,
      cursor: () => this.cursor(),
      avoidBackoff: (cursor, signal) => this.avoidBackoff(cursor, signal),
      backoffMs: ({ endpoint }) => this.#backoffMs(endpoint),
      endpoints: endpoints.length,
      state: this.#state.token ??= new TokenState(random),
      queue: this.#alone ? undefined : queueName(endpoints, user.name),
      clock,
      random,
    });
  }

  async #attempt<T>(
    cursor: Cursor,
    signal: AbortSignal,
    { timeoutMs = this.requestTimeoutMs, hold = false, lingerMs = 0, neededByMs }: AttemptOptions,
    attempt: (context: AttemptContext) => Promise<T>,
    token?: string,
  ): Promise<T> {
    signal.throwIfAborted();
    const { endpoint } = cursor;
    const session = this.#attempts.begin(endpoint);
    const own = new AbortController(), late = new AbortController();
    const timer = this.clock.timer(timeoutMs, () => late.abort(), hold);
    const abort = () => {
      own.abort(signal.reason);
      late.abort(signal.reason);
    };
    signal.addEventListener("abort", abort);
    const answering = attempt({ endpoint, signal: own.signal, token, neededByMs });
    try {
      // Even a driver that ignores its signal can't block the caller.
      const answer = await untilAborted(answering, late.signal);
      this.#state.start = this.endpoints.indexOf(endpoint);
      session.answered();
      return answer;
    } catch (error) {
      signal.throwIfAborted();
      if (late.signal.aborted) {
        if (lingerMs > 0) this.#linger(answering, own, signal, lingerMs);
        else own.abort();
        session.silent();
        throw new EtcdError(`etcd at ${endpoint.address}: no answer within ${timeoutMs} ms`, "transient");
      }
      throw this.failure(endpoint, error);
    } finally {
      session.end();
      timer.cancel();
      signal.removeEventListener("abort", abort);
    }
  }

  /** Lets a call continue that no caller waits for any more. */
  #linger(call: Promise<unknown>, own: AbortController, signal: AbortSignal, lingerMs: number): void {
    const abort = () => own.abort(signal.reason);
    const timer = this.clock.timer(lingerMs, abort);
    const ended = () => {
      timer.cancel();
      signal.removeEventListener("abort", abort);
    };
    signal.addEventListener("abort", abort);
    call.then(ended, ended);
  }
}
