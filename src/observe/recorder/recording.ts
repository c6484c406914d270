import type { DescMethod } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import type { Attempt, AttemptStart, CallEnd, CallStart, CallWatch, WaitReason } from "../../call/observer.ts";
import type { AttemptEnd } from "../../connection/mark.ts";
import { isNoted } from "../../connection/note.ts";
import type { Clock } from "../../time/clock.ts";
import { errorText } from "./error-text.ts";

/** How many attempts of a call are kept. */
const MOST_ATTEMPTS = 4;

/** Where recordings go. */
export interface Recordings {
  /** The call has ended, at a time on its transport's clock, with this error if it failed. */
  keep(recording: Recording, nowMs: number, error: unknown): void;
  /** Nothing refers to the recording any more: it can be used for another call. */
  free(recording: Recording): void;
}

/** What is recorded of an attempt. Numbers that are not known are NaN. */
export class AttemptRecording {
  endpoint = "";
  number = 0;
  hedge = false;
  /** After the call's beginning. */
  startedMs: number = NaN;
  waitMs: number = NaN;
  firstByteMs: number = NaN;
  latencyMs: number = NaN;
  /** Undefined while it is in flight. */
  end: AttemptEnd | undefined = undefined;
  code: Code | undefined = undefined;
  error: string | undefined = undefined;
}

/**
 * What is recorded of a call. It is used for one call after another, so that recording allocates nothing: it consists of
 * numbers, and of references to what exists anyway. Texts are made for errors alone.
 */
export class Recording implements CallWatch {
  readonly #recordings: Recordings;
  /** How many calls it has been used for. */
  uses = 0;
  /** How many hold it for the call that it was last used for. */
  #holders = 0;
  method!: DescMethod;
  clock!: Clock;
  target = "";
  /** On the transport's clock. */
  startedMs: number = NaN;
  /** The same in milliseconds since 1970, as it was read last. */
  wallMs: number = NaN;
  timeoutMs: number = NaN;
  latencyMs: number = NaN;
  code: Code | undefined = undefined;
  error: string | undefined = undefined;
  /** How many attempts were made. */
  made = 0;
  /** How long it waited, by what for. */
  readonly waited: Record<WaitReason, number> = { resolution: NaN, connection: NaN, room: NaN, backoff: NaN };
  /** Those of its attempts that are kept; others remain from earlier calls. */
  readonly attempts: AttemptRecording[] = [];
  kept = 0;
  #inFlight = 0;
  /** Since when no attempt has been in flight, after the call's beginning. */
  #idleMs = NaN;
  #reason: WaitReason | undefined = undefined;
  /** Since when it waits, after the call's beginning. */
  #waitingMs = NaN;

  constructor(recordings: Recordings) {
    this.#recordings = recordings;
  }

  begin({ clock, method, startedMs, target, timeoutMs }: CallStart): this {
    this.uses++;
    this.method = method;
    this.clock = clock;
    this.target = target;
    this.startedMs = startedMs;
    this.wallMs = NaN;
    this.timeoutMs = timeoutMs ?? NaN;
    const { waited } = this;
    waited.resolution =
      waited.connection =
      waited.room =
      waited.backoff =
        0;
    this.kept = this.#inFlight = this.#idleMs = 0;
    this.#reason = undefined;
    return this;
  }

  waiting(why: WaitReason): void {
    const ms = this.clock.now() - this.startedMs;
    this.#waitedUntil(ms);
    this.#reason = why;
    this.#waitingMs = ms;
  }

  #waitedUntil(ms: number): void {
    if (this.#reason === undefined) return;
    this.waited[this.#reason] += ms - this.#waitingMs;
    this.#reason = undefined;
  }

  attemptStarted({ endpoint, hedge, number, startedMs }: AttemptStart): void {
    const ms = startedMs - this.startedMs;
    this.#waitedUntil(ms);
    // The first three are kept, and the newest of the others.
    const place = Math.min(this.kept, MOST_ATTEMPTS - 1), attempt = this.attempts[place] ??= new AttemptRecording();
    this.kept = place + 1;
    attempt.endpoint = endpoint.address;
    attempt.number = number;
    attempt.hedge = hedge;
    attempt.startedMs = ms;
    attempt.waitMs = this.#inFlight > 0 ? 0 : ms - this.#idleMs;
    attempt.firstByteMs = attempt.latencyMs = NaN;
    attempt.end = attempt.code = attempt.error = undefined;
    this.#inFlight++;
  }

  attemptAnswering({ number, startedMs }: AttemptStart): void {
    const attempt = this.#inFlightAttempt(number);
    if (attempt !== undefined) attempt.firstByteMs = this.clock.now() - startedMs;
  }

  attemptEnded({ code, end, error, latencyMs, number }: Attempt): void {
    this.#inFlight--;
    const attempt = this.#inFlightAttempt(number);
    if (attempt === undefined) return;
    this.#idleMs = attempt.startedMs + latencyMs;
    attempt.latencyMs = latencyMs;
    attempt.end = end;
    attempt.code = code;
    if (error === undefined) return;
    attempt.error = errorText(error);
    // Its connection turned out to be full: it was never made.
    if (end === "not-sent" && attempt === this.attempts[this.kept - 1] && isNoted(error, "full")) this.kept--;
  }

  /** Undefined for an attempt that is not kept. */
  #inFlightAttempt(number: number): AttemptRecording | undefined {
    for (let i = this.kept - 1; i >= 0; i--) {
      const attempt = this.attempts[i]!;
      if (attempt.number === number && attempt.end === undefined) return attempt;
    }
    return undefined;
  }

  ended({ attempts, code, error, latencyMs }: CallEnd): void {
    this.#waitedUntil(latencyMs);
    this.latencyMs = latencyMs;
    this.code = code;
    this.error = error === undefined ? undefined : errorText(error);
    this.made = attempts;
    this.#recordings.keep(this, this.startedMs + latencyMs, error);
  }

  hold(): void {
    this.#holders++;
  }

  release(): void {
    // A hedge that lost may still end: it must not be taken for an attempt of another call.
    if (--this.#holders === 0 && this.#inFlight === 0) this.#recordings.free(this);
  }

  /** The last of the attempts that are kept. */
  get last(): AttemptRecording | undefined {
    return this.kept === 0 ? undefined : this.attempts[this.kept - 1];
  }

  /** Whether it failed, other than by its caller's will. */
  get failed(): boolean {
    if (this.code === Code.Canceled) return this.last?.end === "answered";
    return this.code !== undefined;
  }

  /**
   * How long its caller had to wait: of a stream, until its response began, because streams may last as long as they
   * like.
   */
  get slownessMs(): number {
    const { last } = this;
    if (this.method.methodKind === "unary" || last === undefined || Number.isNaN(last.firstByteMs)) {
      return this.latencyMs;
    }
    return last.startedMs + last.firstByteMs;
  }
}
