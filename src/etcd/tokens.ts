import type { Clock } from "../time/clock.ts";
import type { Cursor } from "./client.ts";
import { EtcdError } from "./failure.ts";
import { untilAborted } from "../time/until-aborted.ts";

/**
 * How long a refusal stands for everyone, in milliseconds. etcd checks a password with bcrypt, which is slow by design:
 * a thousand registrations with a wrong one must not each ask it.
 */
const REFUSAL_MS = 5_000;

/** The token of one user, shared by all loops of a registry: authenticated once, by whoever needs it first. */
export class Tokens {
  readonly #authenticate: (cursor: Cursor, signal: AbortSignal) => Promise<string>;
  readonly #clock: Clock;
  /** "" once etcd said that it wants none. */
  #token: string | undefined;
  #asking: Promise<string> | undefined;
  #refusal: { error: EtcdError; untilMs: number } | undefined;

  constructor(authenticate: (cursor: Cursor, signal: AbortSignal) => Promise<string>, clock: Clock) {
    this.#authenticate = authenticate;
    this.#clock = clock;
  }

  async get(cursor: Cursor, signal: AbortSignal): Promise<string | undefined> {
    if (this.#token !== undefined) return this.#token || undefined;
    if (this.#refusal !== undefined && this.#clock.now() < this.#refusal.untilMs) throw this.#refusal.error;
    // Not under the caller's signal: others may wait for the same answer. It has a deadline of its own.
    this.#asking ??= this.#ask(cursor).finally(() => (this.#asking = undefined));
    return await untilAborted(this.#asking, signal) || undefined;
  }

  /** The token is no good; another one that came meanwhile is kept. */
  forget(token: string | undefined): void {
    if (this.#token === (token ?? "")) this.#token = undefined;
  }

  async #ask(cursor: Cursor): Promise<string> {
    try {
      this.#token = await this.#authenticate(cursor, new AbortController().signal);
      this.#refusal = undefined;
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      if (error.kind === "auth-disabled") this.#token = "";
      else if (error.kind === "refused") {
        this.#refusal = { error, untilMs: this.#clock.now() + REFUSAL_MS };
        throw error;
      } else throw error;
    }
    return this.#token;
  }
}
