import { type Endpoint, endpointIdentity } from "../endpoint.ts";
import type { Clock } from "../time/clock.ts";
import type { EtcdCall, EtcdDriver } from "./driver.ts";
import { asError, EtcdError } from "./failure.ts";
import { Tokens } from "./tokens.ts";
import { untilAborted } from "../time/until-aborted.ts";

/** How long a unary call to etcd may take before its endpoint counts as dead, in milliseconds. */
export const DEADLINE_MS = 3_000;

/** How soon a try follows on a failed one: full jitter, so that a restarted etcd is not met by everybody at once. */
export const RETRY = { initialMs: 100, maxMs: 2_000, factor: 2, jitter: "full" } as const;
/** The wait after a refused password or permission: only a person can change that. */
export const REFUSED_RETRY_MS = 30_000;
/** How long things must have gone well before the back-off starts over; a mere connect is not a sign of health. */
export const HEALTHY_MS = 10_000;

export interface EtcdClientOptions {
  readonly driver: EtcdDriver;
  readonly endpoints: readonly Endpoint[];
  readonly user?: { readonly name: string; readonly password: string } | undefined;
  readonly clock: Clock;
  readonly random: () => number;
}

/** A loop's place on the list of etcd endpoints: it moves on when an endpoint fails it. */
export interface Cursor {
  readonly endpoint: Endpoint;
  next(): void;
}

/** How long one attempt may take. */
export interface AttemptOptions {
  /** In milliseconds. Defaults to {@link DEADLINE_MS}. */
  readonly deadlineMs?: number;
  /** Whether the process is held meanwhile. Defaults to false. */
  readonly hold?: boolean;
}

/** Gives attempts what the driver leaves out: an endpoint, a deadline and a token. Repeats nothing but for a token. */
export class EtcdClient {
  readonly driver: EtcdDriver;
  readonly clock: Clock;
  readonly random: () => number;
  readonly endpoints: readonly Endpoint[];
  readonly #tokens: Tokens | undefined;
  readonly #lossListeners = new Set<(endpoint: Endpoint) => void>();
  /** Where cursors begin: chosen at random, to spread processes over the cluster, then wherever an answer came from. */
  #start: number | undefined;

  constructor({ driver, endpoints, user, clock, random }: EtcdClientOptions) {
    this.driver = driver;
    this.endpoints = endpoints;
    this.clock = clock;
    this.random = random;
    driver.onLost((endpoint) => {
      for (const listener of [...this.#lossListeners]) listener(endpoint);
    });
    if (user !== undefined) {
      this.#tokens = new Tokens((cursor, signal) =>
        this.#attempt(cursor, signal, {}, (call) => {
          if (driver.authenticate === undefined) throw new Error("this etcd driver can't use a password");
          return driver.authenticate(user, call);
        }), clock);
    }
  }

  cursor(): Cursor {
    const { endpoints } = this;
    let index = this.#start ??= Math.floor(this.random() * endpoints.length) % endpoints.length;
    return {
      get endpoint() {
        return endpoints[index] as Endpoint;
      },
      next() {
        index = (index + 1) % endpoints.length;
      },
    };
  }

  /** Calls back when the connection to the cursor's endpoint is gone. Returns how to stop that. */
  onLost(cursor: Cursor, callback: () => void): () => void {
    const listener = (endpoint: Endpoint) => {
      if (endpointIdentity(endpoint) === endpointIdentity(cursor.endpoint)) callback();
    };
    this.#lossListeners.add(listener);
    return () => void this.#lossListeners.delete(listener);
  }

  /**
   * One try of a unary call on the cursor's endpoint; a second one if the token was refused.
   *
   * @throws EtcdError for every failure but the signal's own abort, which is thrown as it is.
   */
  async unary<T>(
    cursor: Cursor,
    signal: AbortSignal,
    attempt: (call: EtcdCall) => Promise<T>,
    options: AttemptOptions = {},
  ): Promise<T> {
    const token = await this.token(cursor, signal);
    try {
      return await this.#attempt(cursor, signal, options, attempt, token);
    } catch (error) {
      if (!this.refusesToken(error, token)) throw error;
      return await this.#attempt(cursor, signal, options, attempt, await this.token(cursor, signal));
    }
  }

  /** The token to send, if this client has a user. */
  async token(cursor: Cursor, signal: AbortSignal): Promise<string | undefined> {
    return await this.#tokens?.get(cursor, signal);
  }

  /** Whether an error means that this token is no good; it is forgotten then. */
  refusesToken(error: unknown, token: string | undefined): boolean {
    if (this.#tokens === undefined || !(error instanceof EtcdError) || error.kind !== "token") return false;
    this.#tokens.forget(token);
    return true;
  }

  /** The error of an attempt on the endpoint, with its meaning. */
  failure(endpoint: Endpoint, thrown: unknown): EtcdError {
    const said = thrown instanceof EtcdError ? thrown.kind : this.driver.classify(thrown);
    // Without a password there is no token to renew: only a person can change that.
    const kind = said === "token" && this.#tokens === undefined ? "refused" : said;
    if (thrown instanceof EtcdError && kind === said) return thrown;
    return new EtcdError(`etcd at ${endpoint.address}: ${asError(thrown).message}`, kind, thrown);
  }

  async #attempt<T>(
    cursor: Cursor,
    signal: AbortSignal,
    { deadlineMs = DEADLINE_MS, hold = false }: AttemptOptions,
    attempt: (call: EtcdCall) => Promise<T>,
    token?: string,
  ): Promise<T> {
    signal.throwIfAborted();
    const { endpoint } = cursor;
    const generation = this.driver.generation(endpoint);
    const own = new AbortController();
    const timer = this.clock.timer(deadlineMs, () => own.abort(), hold);
    const abort = () => own.abort(signal.reason);
    signal.addEventListener("abort", abort);
    try {
      // Not even a driver that overlooks its signal can hold a loop up.
      const answer = await untilAborted(attempt({ endpoint, signal: own.signal, token }), own.signal);
      this.#start = this.endpoints.indexOf(endpoint);
      return answer;
    } catch (error) {
      signal.throwIfAborted();
      if (own.signal.aborted) {
        // The session may be half open: nothing on it would ever fail by itself.
        this.driver.reset(endpoint, generation);
        throw new EtcdError(`etcd at ${endpoint.address}: no answer within ${deadlineMs} ms`, "transient");
      }
      throw this.failure(endpoint, error);
    } finally {
      timer.cancel();
      signal.removeEventListener("abort", abort);
    }
  }
}
