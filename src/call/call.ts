import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { waitFor } from "../balancer/wait.ts";
import type { Connection } from "../connection/connection.ts";
import { EndpointConnection } from "../connection/endpoint-connection.ts";
import type { AttemptEnd } from "../connection/mark.ts";
import { isNoted } from "../connection/note.ts";
import { textOf } from "../error-text.ts";
import { isDrop } from "../policy/drop.ts";
import type { CallInfo, Picker } from "../policy/policy.ts";
import { connectionBehind } from "../policy/view.ts";
import { EARLY_MS } from "../time/deadline.ts";
import { PACE_MS } from "../time/pace.ts";
import { BoundedCall } from "./bounded-call.ts";
import { callFailure, codeOf, endedConnection, endOf, lastAttemptText } from "./failure.ts";
import { FailedAttempts } from "./failed-attempts.ts";
import { readPick } from "./read-pick.ts";
import { type AttemptResult, tellListeners, tellPicker } from "./tell.ts";

/** The most attempts that one call makes; each was refused or not sent, so more would hardly help. */
const MOST_ATTEMPTS = 16;

/** What a wait can end with beside a connection: all that could be picked were tried, or its time is over. */
const TRIED = { tried: true } as const;
const OVER = { over: true } as const;

/**
 * One call and where its attempts go, one at a time. Kinds of calls make them: they take a connection, begin an attempt
 * on it, and say how it ended.
 */
export class Call<M extends DescMethod = DescMethod> extends BoundedCall<M> implements CallInfo {
  #picker: Picker | undefined;
  /** What the picker gave: the connection or a view of it; and what it adds to the request. */
  #given: Connection | undefined;
  #pickHeader: Headers | undefined;
  /** Where the present attempt is; and when it began, if somebody wants to know. */
  #connection: EndpointConnection | undefined;
  /** Whether it was given a connection before, so that it is older than calls that wait for their first. */
  #returned = false;
  /** Whether it came out of its line for a place that is kept for it. */
  #promised = false;
  #startMs: number | undefined;
  /** When its server began to answer, of a stream. */
  #headerMs: number | undefined;

  excluded(connection: Connection): boolean {
    return this.failures !== undefined && this.failures.skips(connection);
  }

  /**
   * A connection for the next attempt, if there is one at once. It counts the attempt from here on, so that calls which
   * are given connections in one go see each other: `begin` must follow.
   *
   * @throws ConnectError with code Internal if the picker throws or gives what is none; with the drop's if it drops the call.
   */
  protected connectionNow(): EndpointConnection | undefined {
    if (this.env.balancer.serving) return undefined;
    const picked = this.#pick();
    // A policy of the user's own may not look at `available`: its calls take nobody's place either.
    return picked instanceof EndpointConnection && !picked.full ? taken(picked) : undefined;
  }

  /** The same as soon as there is one. Rejects with what the caller should see. */
  protected async connection(): Promise<EndpointConnection> {
    for (;;) {
      const found = await this.#wait();
      if (found instanceof EndpointConnection) return found;
      // Every endpoint that the picker knows was tried and declined, maybe for a moment only. After a pause there may be
      // a picker that knows another; if not, begin again with those.
      const failed = this.failures!;
      await this.#pause(Math.min(PACE_MS + failed.pauseMs(this.env.random), this.timeLeftMs()));
      this.checkTime();
      const connection = this.connectionNow();
      if (connection !== undefined) return connection;
      failed.readmit();
    }
  }

  #pick(): EndpointConnection | "wait" | Error {
    const { balancer } = this.env;
    const { picker } = balancer;
    if (picker === undefined) {
      balancer.start();
      return "wait";
    }
    this.#picker = picker;
    if (this.failures !== undefined) this.failures.skipped = false;
    let picked: unknown;
    try {
      picked = picker.pick(this);
    } catch (error) {
      throw this.unavailable(`the policy's picker threw: ${textOf(error)}`, Code.Internal, error);
    }
    if (picked === "wait") return picked;
    if (picked instanceof Error) {
      if (!isDrop(picked)) return picked;
      throw this.unavailable(textOf(picked), picked instanceof ConnectError ? picked.code : Code.Unavailable, picked);
    }
    const connection = connectionBehind(picked);
    if (connection === undefined) return this.#read(picked);
    this.#given = picked as Connection;
    this.#pickHeader = undefined;
    return connection;
  }

  /** A pick that is no bare connection. */
  #read(picked: unknown): EndpointConnection {
    try {
      const { connection, given, header } = readPick(picked);
      this.#given = given;
      this.#pickHeader = header;
      return connection;
    } catch (error) {
      throw this.unavailable(`the policy's picker ${textOf(error)}`, Code.Internal, error);
    }
  }

  /** An attempt begins on a connection that was taken for it. */
  protected begin(connection: EndpointConnection): void {
    this.#connection = connection;
    if (this.#promised) this.#redeem(connection);
    this.#returned = true;
    this.number++;
    const { onAttempt, clock } = this.env;
    const timed = onAttempt !== undefined || this.settings?.onAttempt !== undefined ||
      this.#picker?.done !== undefined;
    this.#startMs = timed ? clock.now() : undefined;
  }

  /**
   * What the present attempt sends: with what the picker adds, and gRFC A6 has servers know how many attempts were
   * answered, or may have been, before it.
   */
  protected get attemptHeader(): HeadersInit | undefined {
    const before = this.#connection!.grpc ? this.failures?.retried ?? 0 : 0;
    if (before === 0 && this.#pickHeader === undefined) return this.headerInit;
    const header = new Headers(this.headerInit);
    this.#pickHeader?.forEach((value, name) => header.append(name, value));
    if (before > 0) header.set("grpc-previous-rpc-attempts", `${before}`);
    return header;
  }

  /** Whether the attempt makes use of its place shows within this turn; if not, the next in line has it. */
  #redeem(connection: EndpointConnection): void {
    this.#promised = false;
    connection.promised--;
    this.env.balancer.hasRoom(connection);
  }

  /** The server has begun to answer an attempt that goes on: a stream. */
  protected answering(): void {
    this.#connection!.answered();
    if (this.#startMs !== undefined) this.#headerMs = this.env.clock.now() - this.#startMs;
  }

  /** The attempt has ended, with or without an error: gives its connection free and tells who wants to know. */
  protected ended(end: AttemptEnd, error: unknown, response: AttemptResult["response"]): void {
    const connection = this.#connection!;
    connection.end(end, error);
    if (error === undefined) this.env.retry?.succeeded();
    if (this.#startMs === undefined) return;
    const latencyMs = this.env.clock.now() - this.#startMs;
    const headerMs = this.#headerMs ?? (end === "answered" ? latencyMs : undefined);
    this.#tell(connection, { end, latencyMs, headerMs, error, response });
  }

  #tell(connection: EndpointConnection, result: AttemptResult): void {
    const { end, latencyMs, error } = result;
    const failure = error === undefined ? undefined : { code: codeOf(error), error };
    tellPicker(this.#picker, this.#given!, result, this);
    tellListeners([this.settings?.onAttempt, this.env.onAttempt], {
      endpoint: connection.endpoint,
      method: this.method,
      number: this.number,
      end,
      latencyMs,
      ...failure,
    });
  }

  /**
   * The attempt has failed: rejects with what the caller should see, or resolves with a connection for the next one.
   * `replayable`: whether the request can be sent again.
   */
  protected async afterFailure(error: unknown, replayable: boolean): Promise<EndpointConnection> {
    if (replayable && isNoted(error, "full")) return await this.#fromFull(error);
    const end = endOf(error);
    this.ended(end, error, undefined);
    const failed = this.failures ??= new FailedAttempts();
    const pauseMs = this.#nextAttemptIn(failed, end, error, replayable);
    if (pauseMs === undefined) throw this.failure(end, error);
    failed.add(this.#connection!, end, error);
    failed.exclude(this.#connection!);
    if (pauseMs > 0) await this.#pause(pauseMs);
    this.checkTime();
    return await this.connection();
  }

  /** The connection was full when the attempt came to it: there was no attempt, and the call waits for room. */
  async #fromFull(error: unknown): Promise<EndpointConnection> {
    this.#connection!.takeBack();
    this.number--;
    const result = { end: "not-sent", latencyMs: 0, headerMs: undefined, error, response: undefined } as const;
    tellPicker(this.#picker, this.#given!, result, this);
    this.checkTime();
    return await this.connection();
  }

  /** What the caller sees when the attempt was the last one. */
  protected failure(end: AttemptEnd, error: unknown): unknown {
    if (this.signal?.aborted) {
      const aborted = this.aborted();
      return codeOf(error) === aborted.code ? error : aborted;
    }
    if (end === "answered") return error;
    const failed = this.failures ??= new FailedAttempts();
    failed.add(this.#connection!, end, error);
    // The server, or whatever broke the connection, may have been faster than the link's timer; a server that keeps the
    // deadline itself cancels the attempt when it passes.
    if (this.timeLeftMs() <= (codeOf(error) === Code.Canceled ? EARLY_MS : 0)) return this.deadlineExceeded();
    // Unavailable would ask the caller to try again what does harm.
    const code = endedConnection(error) ? Code.Internal : end === "maybe-processed" ? codeOf(error) : Code.Unavailable;
    return callFailure(`${this.name}: ${lastAttemptText(failed.list)}`, failed.list, code);
  }

  /** The pause before another attempt, or undefined if there must be none. */
  #nextAttemptIn(failed: FailedAttempts, end: AttemptEnd, error: unknown, replayable: boolean): number | undefined {
    if (!replayable || this.signal?.aborted || this.env.balancer.closed || isNoted(error, "final")) return undefined;
    if (isNoted(error, "suspect") && failed.suspected++ > 0) return undefined;
    if (end === "not-sent" || end === "refused") return this.number < MOST_ATTEMPTS ? 0 : undefined;
    const pauseMs = this.env.retry?.next(this.method, ++failed.retried, end, error);
    // A server may ask for any pause.
    if (pauseMs === undefined || pauseMs > this.env.waitTimeoutMs || pauseMs >= this.timeLeftMs()) return undefined;
    return pauseMs;
  }

  /** Ends early when the caller aborts or the transport is closed: `checkTime` then throws. */
  async #pause(ms: number): Promise<void> {
    const { balancer, clock } = this.env;
    const over = () => OVER;
    await waitFor(balancer, clock, {
      signal: this.signal,
      limitMs: ms,
      poll: () => (balancer.closed ? OVER : undefined),
      expired: over,
      aborted: over,
    });
  }

  /**
   * Resolves with a connection, or with `TRIED` when only those are left that were tried. Servers that are there and
   * have no room are no reason to fail: the wait for one ends with the call's own time alone.
   */
  #wait(): Promise<EndpointConnection | typeof TRIED> {
    const { balancer, clock, waitTimeoutMs } = this.env;
    const waitForReady = this.settings?.waitForReady ?? this.env.waitForReady;
    // A call that waits for readiness has its own timeout, if it has one, to say how long.
    const leftMs = this.timeLeftMs();
    const limitMs = waitForReady && leftMs < Infinity ? leftMs : Math.min(leftMs, waitTimeoutMs);
    let untilDeadline = limitMs === leftMs;
    return waitFor<EndpointConnection | typeof TRIED>(balancer, clock, {
      signal: this.signal,
      limitMs,
      returned: this.#returned,
      wantsConnection: true,
      poll: () => {
        if (balancer.closed) throw this.closed();
        const picked = this.#pick();
        const skipped = this.failures?.skipped === true;
        if (picked instanceof EndpointConnection && picked.full) return undefined;
        if (picked === "wait" && !skipped) return undefined;
        if (picked instanceof Error && !skipped) {
          if (waitForReady) return undefined;
          throw this.unavailable(`${picked.message}: ${balancer.describe()}`, Code.Unavailable, picked.cause);
        }
        this.checkTime();
        if (!(picked instanceof EndpointConnection)) return TRIED;
        this.#promised = true;
        picked.promised++;
        return taken(picked);
      },
      expired: () => {
        if (untilDeadline) throw this.deadlineExceeded();
        const moreMs = balancer.moreTimeMs(waitTimeoutMs), leftMs = this.timeLeftMs();
        untilDeadline = leftMs <= moreMs;
        if (moreMs > 0) return Math.max(0, Math.min(leftMs, moreMs));
        throw this.unavailable(`no connection within ${waitTimeoutMs} ms: ${balancer.describe()}`, Code.Unavailable);
      },
      aborted: () => {
        throw this.aborted();
      },
    });
  }
}

/** The connection counts one more attempt. */
function taken(connection: EndpointConnection): EndpointConnection {
  connection.begin();
  return connection;
}
