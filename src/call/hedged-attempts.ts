import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Connection } from "../connection/connection.ts";
import type { Timer } from "../time/clock.ts";
import type { CancelGuard } from "./cancel-guard.ts";
import { codeOf, endOf } from "./failure.ts";
import type { HedgedAttempt, HedgedCall, OneAttempt } from "./hedging.ts";
import type { WithTrailer } from "./record.ts";

/**
 * Decides when a call whose attempt has not been answered yet sends another one beside it; what follows a failed one is
 * decided by the call's retry policy.
 */
export interface HedgingPolicy {
  /** The most attempts per call that are answered or may have been processed, including the first. */
  readonly maxAttempts: number;
  readonly guard: Pick<CancelGuard, "allows" | "cancelled">;
  /** A call begins. Returns how long it waits before each further attempt, in milliseconds; undefined: it makes none. */
  begin(method: DescMethod): number | undefined;
  /** Whether a hedge may be sent now. */
  readonly allows: boolean;
  /** A hedge was sent. */
  sent(): void;
  /** A call that has sent hedges was answered; `won`: by one of them. */
  raced(won: boolean): void;
  /** The first attempt of a call was answered, or has not been answered for so long. */
  took(method: DescMethod, latencyMs: number): void;
}

/** One of the attempts that a hedged call has in flight. */
class AttemptInFlight<A> implements HedgedAttempt<A> {
  readonly attempt: OneAttempt;
  readonly #all: HedgedAttempts<A>;
  readonly #abort = new AbortController();

  constructor(attempt: OneAttempt, all: HedgedAttempts<A>) {
    this.attempt = attempt;
    this.#all = all;
  }

  get connection(): Connection {
    return this.attempt.connection;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  cancel(reason: unknown): void {
    this.#abort.abort(reason);
  }

  follow(signal: AbortSignal): void {
    const cancel = () => this.cancel(signal.reason);
    if (signal.aborted) cancel();
    else signal.addEventListener("abort", cancel);
  }

  /** A unary attempt's answer began to arrive. */
  partArrived(): void {
    this.attempt.partArrived();
  }

  messageSent(bytes: number, uncompressedBytes: number): void {
    this.attempt.messageSent(bytes, uncompressedBytes);
  }

  messageReceived(bytes: number, uncompressedBytes: number): void {
    this.attempt.messageReceived(bytes, uncompressedBytes);
  }

  /** A unary attempt was answered, and with it the call, if it is the first. */
  answered(answer: A): void {
    this.attempt.ended("answered", undefined, answer as WithTrailer | undefined);
    if (this.wins()) this.#all.over();
    else this.#all.answeredLate();
  }

  wins(): boolean {
    return this.#all.answeredFirst(this);
  }

  /** It failed, or was cancelled because it lost. Returns the call's answer. */
  failed(error: unknown): Promise<A> {
    return this.#all.failed(this, error);
  }
}

/**
 * The attempts of a hedged call (gRFC A6): while the first one has no answer, others are sent beside it, each to an
 * endpoint of its own. The first answer is the call's, and the other attempts are cancelled. One that fails while others
 * are in flight is replaced at once if its error is one after which calls are repeated, and ends the call if not.
 *
 * It never waits for a connection: a hedge that finds none is not sent, and the next one waits twice as long.
 */
export class HedgedAttempts<A> {
  readonly #call: HedgedCall<A>;
  readonly #policy: HedgingPolicy;
  /** The caller's: ends all attempts. */
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => {
    for (const attempt of [...this.#inFlight]) attempt.cancel(this.#signal!.reason);
  };
  readonly #inFlight = new Set<AttemptInFlight<A>>();
  /** Undefined: no hedges. */
  readonly #delayMs: number | undefined;
  readonly #startMs: number;
  /** The next hedge. */
  #timer: Timer | undefined;
  /** How long the next one waits: twice as long as one that could not be sent, so that calls that hang don't poll. */
  #nextMs: number | undefined;
  /** How many hedges were sent. */
  #hedges = 0;
  /** The first attempt, unless it failed. */
  #first: AttemptInFlight<A> | undefined;
  #winner: AttemptInFlight<A> | undefined;
  #over = false;
  #resolve!: (answer: A | Promise<A>) => void;
  #reject!: (error: unknown) => void;
  readonly #answer: Promise<A>;

  constructor(call: HedgedCall<A>, policy: HedgingPolicy, signal: AbortSignal | undefined) {
    this.#call = call;
    this.#policy = policy;
    this.#signal = signal;
    this.#delayMs = policy.begin(call.method);
    this.#startMs = call.env.clock.now();
    this.#answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Sends the first attempt, and in time the others. Settles with the call's answer, or with the error for the caller. */
  start(attempt: OneAttempt): Promise<A> {
    this.#signal?.addEventListener("abort", this.#onAbort);
    this.#send(this.#first = new AttemptInFlight(attempt, this));
    this.#plan(this.#nextMs = this.#delayMs);
    return this.#answer;
  }

  #send(hedged: AttemptInFlight<A>): void {
    const { tried } = this.#call;
    tried.beside = this.#inFlight.size;
    tried.exclude(hedged.attempt.connection);
    this.#inFlight.add(hedged);
    // What became of one that did not win was reported to `failed`.
    const settle = (end: () => void) => {
      if (this.#winner === hedged) end();
    };
    this.#call.send(hedged.attempt, hedged.signal, hedged).then(
      (answer) => settle(() => this.#resolve(answer)),
      (error) => settle(() => this.#reject(error)),
    );
  }

  /** Sends a hedge after so many milliseconds; undefined: none. */
  #plan(delayMs: number | undefined): void {
    this.#timer?.cancel();
    if (delayMs === undefined || this.#over) return;
    if (delayMs > 0) this.#timer = this.#call.env.clock.timer(delayMs, () => this.#hedge());
    else this.#hedge();
  }

  #hedge(): void {
    const made = this.#inFlight.size + this.#call.tried.retried;
    if (this.#inFlight.size === 0 || made >= this.#policy.maxAttempts) return;
    const attempt = this.#pick();
    if (attempt !== undefined) {
      this.#hedges++;
      this.#policy.sent();
      this.#send(new AttemptInFlight(attempt, this));
    }
    // Without a connection, there is no point in trying again at once.
    if (attempt === undefined && this.#delayMs === 0) return;
    this.#nextMs = attempt === undefined ? 2 * this.#nextMs! : this.#delayMs;
    this.#plan(this.#nextMs);
  }

  #pick(): OneAttempt | undefined {
    const call = this.#call, { allows, guard } = this.#policy;
    if (!allows || call.env.balancer.panic) return undefined;
    for (const { connection } of this.#inFlight) if (!guard.allows(connection)) return undefined;
    try {
      call.checkTime();
      return call.attemptNow((connection) => !call.excluded(connection) && guard.allows(connection));
    } catch {
      // The call goes on without it.
      return undefined;
    }
  }

  /** An attempt succeeded whose call had ended: that is no call that succeeded. */
  answeredLate(): void {
    this.#call.env.calls.succeeded--;
  }

  /** The call was answered. */
  over(): void {
    this.#call.over(undefined);
  }

  /** Whether this attempt is the first that was answered. */
  answeredFirst(hedged: AttemptInFlight<A>): boolean {
    this.#inFlight.delete(hedged);
    if (this.#over) return false;
    this.#winner = hedged;
    if (this.#hedges > 0 && this.#first !== undefined) this.#policy.raced(hedged !== this.#first);
    this.#took();
    this.#end();
    return true;
  }

  /** The first attempt has taken as long as this, or longer. */
  #took(): void {
    if (this.#first !== undefined) this.#policy.took(this.#call.method, this.#call.env.clock.now() - this.#startMs);
  }

  failed(hedged: AttemptInFlight<A>, error: unknown): Promise<A> {
    this.#inFlight.delete(hedged);
    if (hedged === this.#first && codeOf(error) !== Code.DeadlineExceeded) this.#first = undefined;
    if (this.#over) {
      const end = endOf(error);
      if (end !== "answered" && codeOf(error) !== Code.DeadlineExceeded) hedged.attempt.abandon();
      hedged.attempt.ended(end, error, undefined);
    } else if (this.#inFlight.size > 0) {
      try {
        this.#plan(this.#call.failedBeside(hedged.attempt, error));
      } catch (failure) {
        this.#fail(failure);
      }
    } else {
      void this.#next(hedged, error);
    }
    return this.#answer;
  }

  /** No attempt is in flight any more. */
  async #next(failed: AttemptInFlight<A>, error: unknown): Promise<void> {
    try {
      this.#send(new AttemptInFlight(await this.#call.afterFailure(failed.attempt, error), this));
      this.#plan(this.#delayMs);
    } catch (failure) {
      this.#fail(failure);
    }
  }

  #fail(error: unknown): void {
    const late = codeOf(error) === Code.DeadlineExceeded;
    if (late) this.#took();
    this.#end(late ? new ConnectError("the operation timed out", Code.DeadlineExceeded) : undefined);
    this.#call.over(error);
    this.#reject(error);
  }

  /** Cancels the attempts that are still in flight. No reason: nobody wants their answers any more. */
  #end(reason?: ConnectError): void {
    this.#over = true;
    this.#plan(undefined);
    this.#signal?.removeEventListener("abort", this.#onAbort);
    for (const hedged of [...this.#inFlight]) {
      this.#policy.guard.cancelled(hedged.connection);
      hedged.cancel(reason ??= new ConnectError("another attempt of the call was faster", Code.Canceled));
    }
  }
}
