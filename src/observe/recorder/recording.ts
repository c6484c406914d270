import type { DescMethod } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import type { AttemptEnd } from "../../connection/mark.ts";
import { isNoted } from "../../connection/note.ts";
import type { Attempt, AttemptStart, CallEnd, CallStart, CallWatch, WaitReason } from "../../call/observer.ts";
import type { Clock } from "../../time/clock.ts";
import { errorText } from "./error-text.ts";
import { attemptAt, AttemptFields, Fields, Links, MOST_ATTEMPTS, NUMBERS, REFERENCES } from "./layout.ts";

/** Where a recording goes when its call has ended. */
export interface Recordings {
  /** Keeps a copy. `error`: what the call failed with, at a time on the transport's clock. */
  keep(recording: Recording, nowMs: number, error: unknown): void;
  /** The recording can be used for another call. */
  release(recording: Recording): void;
}

/** Which field a wait counts in. */
const WAITS: Readonly<Record<WaitReason, number>> = {
  resolution: Fields.resolutionMs,
  connection: Fields.connectionMs,
  room: Fields.roomMs,
  backoff: Fields.backoffMs,
};

/** How attempts end, by number. */
export const ENDS: readonly AttemptEnd[] = ["answered", "not-sent", "refused", "maybe-processed"];

/**
 * What is recorded of a call in flight. It is used for one call after another, so that recording allocates nothing:
 * numbers, and references to what exists anyway. Texts are made of errors alone.
 */
export class Recording implements CallWatch {
  readonly numbers: Float64Array = new Float64Array(NUMBERS);
  /** See `Links`. */
  readonly references: unknown[] = new Array(REFERENCES).fill(undefined);
  readonly #recordings: Recordings;
  #clock: Clock | undefined = undefined;
  #startedMs = 0;
  /** Since when no attempt has been in flight, on the transport's clock. */
  #idleMs = 0;
  /** The field that the current wait counts in, and since when; 0: there is none. */
  #wait = 0;
  #waitMs = 0;
  /** How many attempts are in flight. */
  #inFlight = 0;

  constructor(recordings: Recordings) {
    this.#recordings = recordings;
  }

  begin({ clock, method, startedMs, target, timeoutMs }: CallStart): this {
    const { numbers, references } = this;
    numbers.fill(0);
    numbers[Fields.timeoutMs] = timeoutMs ?? NaN;
    references.fill(undefined);
    references[Links.method] = method;
    references[Links.target] = target;
    this.#clock = clock;
    this.#startedMs = this.#idleMs = startedMs;
    this.#wait = this.#inFlight = 0;
    return this;
  }

  waiting(why: WaitReason): void {
    const nowMs = this.#clock!.now();
    this.#waited(nowMs);
    this.#wait = WAITS[why];
    this.#waitMs = nowMs;
  }

  /** The current wait is over. */
  #waited(nowMs: number): void {
    if (this.#wait !== 0) this.numbers[this.#wait]! += nowMs - this.#waitMs;
    this.#wait = 0;
  }

  attemptStarted({ endpoint, hedge, number, startedMs }: AttemptStart): void {
    const { numbers, references } = this;
    this.#waited(startedMs);
    // The first three are kept, and the newest of the others.
    const place = Math.min(numbers[Fields.kept]!, MOST_ATTEMPTS - 1), at = attemptAt(place);
    numbers[Fields.kept] = place + 1;
    numbers[at + AttemptFields.number] = number;
    numbers[at + AttemptFields.hedge] = hedge ? 1 : 0;
    numbers[at + AttemptFields.startedMs] = startedMs - this.#startedMs;
    numbers[at + AttemptFields.waitMs] = this.#inFlight > 0 ? 0 : startedMs - this.#idleMs;
    numbers[at + AttemptFields.firstByteMs] = numbers[at + AttemptFields.latencyMs] = NaN;
    references[Links.endpoint + place] = endpoint.address;
    references[Links.error + place] = undefined;
    this.#inFlight++;
  }

  attemptAnswering({ number, startedMs }: AttemptStart): void {
    const at = this.#placeOf(number);
    if (at >= 0) this.numbers[attemptAt(at) + AttemptFields.firstByteMs] = this.#clock!.now() - startedMs;
  }

  attemptEnded({ code, end, error, latencyMs, number }: Attempt): void {
    const { numbers } = this, place = this.#placeOf(number);
    if (--this.#inFlight === 0) this.#idleMs = this.#clock!.now();
    if (place < 0) return;
    // Its connection turned out to be full: it was never made.
    if (end === "not-sent" && place === numbers[Fields.kept]! - 1 && isNoted(error, "full")) {
      numbers[Fields.kept]!--;
      return;
    }
    const at = attemptAt(place);
    numbers[at + AttemptFields.latencyMs] = latencyMs;
    numbers[at + AttemptFields.end] = ENDS.indexOf(end);
    numbers[at + AttemptFields.code] = code ?? 0;
    if (error !== undefined) this.references[Links.error + place] = errorText(error);
  }

  /** The place of an attempt that is in flight; below 0: it is not kept. */
  #placeOf(number: number): number {
    const { numbers } = this;
    let place = numbers[Fields.kept]! - 1;
    for (; place >= 0; place--) {
      const at = attemptAt(place);
      if (numbers[at + AttemptFields.number] === number && Number.isNaN(numbers[at + AttemptFields.latencyMs])) break;
    }
    return place;
  }

  ended({ attempts, code, error, latencyMs }: CallEnd): void {
    const { numbers } = this, nowMs = this.#startedMs + latencyMs;
    this.#waited(nowMs);
    numbers[Fields.latencyMs] = latencyMs;
    numbers[Fields.code] = code ?? 0;
    numbers[Fields.attempts] = attempts;
    // For people: no decision depends on it.
    numbers[Fields.startedMs] = Date.now() - latencyMs;
    if (error !== undefined) this.references[Links.callError] = errorText(error);
    this.#recordings.keep(this, nowMs, error);
    // A hedge that lost may still end: it must not be taken for an attempt of another call.
    if (this.#inFlight === 0) this.#recordings.release(this);
  }

  get method(): DescMethod {
    return this.references[Links.method] as DescMethod;
  }

  /** Whether it failed, other than by its caller's will. */
  get failed(): boolean {
    const { numbers } = this, code = numbers[Fields.code], place = numbers[Fields.kept]! - 1;
    if (code !== Code.Canceled) return code !== 0;
    return place >= 0 && numbers[attemptAt(place) + AttemptFields.end] === ENDS.indexOf("answered");
  }

  /**
   * How long its caller had to wait: of a stream, until its response began, because streams may last as long as they
   * like.
   */
  get slownessMs(): number {
    const { numbers } = this, place = numbers[Fields.kept]! - 1;
    if (this.method.methodKind === "unary" || place < 0) return numbers[Fields.latencyMs]!;
    const at = attemptAt(place), firstByteMs = numbers[at + AttemptFields.firstByteMs]!;
    return Number.isNaN(firstByteMs)
      ? numbers[Fields.latencyMs]!
      : numbers[at + AttemptFields.startedMs]! + firstByteMs;
  }
}
