import type { DescMethod } from "@bufbuild/protobuf";
import type { Code, ContextValues } from "@connectrpc/connect";
import type { AttemptEnd } from "../connection/mark.ts";
import type { Endpoint } from "../endpoint.ts";
import { guarded } from "../listener.ts";
import type { Clock } from "../time/clock.ts";

/**
 * Observes calls and their attempts: for spans, metrics and logs. Errors it throws are printed and otherwise ignored.
 * `onAttempt` is the short form, for the ends of attempts only.
 *
 * To write one: return an object with `callStarted`, for calls with all their attempts; or with `attemptStarted`, for
 * attempts alone. An observer that has neither is refused.
 */
export interface CallObserver {
  /**
   * A call begins; nothing was done for it yet. The methods of the returned object are called for this call, on that
   * object, so that it can hold the call's state; without one, no more is heard of the call.
   */
  callStarted?(start: CallStart): CallWatch | void;
  /**
   * An attempt begins; its request has not been sent yet. The returned function is called once, when the attempt has
   * ended; for a stream, when its last message was read.
   */
  attemptStarted?(start: AttemptStart): ((attempt: Attempt) => void) | void;
}

/** Why a call waits: for what it needs before its next attempt. */
export type WaitReason =
  /** For the service's endpoints: nothing is known yet. gRPC: name resolution is delayed. */
  | "resolution"
  /** For a connection: none that the policy would pick is ready. gRPC: the pick is delayed. */
  | "connection"
  /** For room: the servers that are up have as many calls in flight as they allow. gRPC: the pick is delayed. */
  | "room"
  /** For time to pass before a retry. */
  | "backoff";

/**
 * Watches one call. It hears of the attempts in their order; of the call's end exactly once, whatever happens. A hedge
 * that lost may end after its call.
 *
 * A call that an interceptor of the transport refuses or answers by itself never begins; one that an interceptor makes
 * twice is two calls.
 */
export interface CallWatch {
  /** It waits, for what was not the reason before; until its next attempt begins, or it ends. */
  waiting?(why: WaitReason): void;
  /** An attempt begins; its request has not been sent yet. */
  attemptStarted?(attempt: AttemptStart): void;
  /**
   * The server began to answer: a stream's response headers arrived, or a part of a unary response that takes longer.
   * Links other than `grpcConnector()`'s report it for streams alone, and nobody reports it of a unary response that
   * arrives at once.
   */
  attemptAnswering?(attempt: AttemptStart): void;
  /**
   * A message of an attempt is about to be sent. Not reported over `transportConnector`, nor over a `grpcConnector()`
   * with interceptors, which see no sizes.
   */
  messageSent?(message: AttemptMessage): void;
  /** A message of an attempt's response was received; for a stream, when it is read. The same exceptions apply. */
  messageReceived?(message: AttemptMessage): void;
  /** An attempt has ended; for a stream, when its last message was read. */
  attemptEnded?(attempt: Attempt): void;
  /** The call has ended; for a stream, when its last message was read. */
  ended?(end: CallEnd): void;
}

/** A call at its beginning. */
export interface CallStart {
  /** The transport's target: usually the service's name. */
  readonly target: string;
  /** What is called; `method.parent.typeName` is the service. */
  readonly method: DescMethod;
  /** When it began, in milliseconds on `clock`. */
  readonly startedMs: number;
  /** The transport's clock, which all times are on. */
  readonly clock: Clock;
  /** How long it may take, in milliseconds; undefined: no limit, or it comes with a service config not known yet. */
  readonly timeoutMs: number | undefined;
  /**
   * The call's request headers, created when read. Headers added now, such as a trace context, go with every attempt.
   * Empty if the caller's are invalid: the call will fail.
   */
  readonly header: Headers;
  /** The call's context values. */
  readonly contextValues: ContextValues;
}

/** A call after its end. */
export interface CallEnd {
  /** The code of the error that its caller sees; undefined for success. Canceled for a stream abandoned by its reader. */
  readonly code: Code | undefined;
  /** The error that its caller sees; undefined for success. */
  readonly error: unknown;
  /** From its beginning to its end, in milliseconds. */
  readonly latencyMs: number;
  /** How many attempts were made. */
  readonly attempts: number;
}

/** One attempt of a call on one connection, at its beginning. */
export interface AttemptStart {
  /** Where it goes. */
  readonly endpoint: Endpoint;
  /** What is called; `method.parent.typeName` is the service. */
  readonly method: DescMethod;
  /** 1 for the first attempt of a call. */
  readonly number: number;
  /** Whether an earlier attempt of the call was still in flight when it began. */
  readonly hedge: boolean;
  /** When it began, in milliseconds on the transport's clock. */
  readonly startedMs: number;
  /** The attempt's request headers, created when read. Headers added now, such as a trace context, are sent. */
  readonly header: Headers;
  /** The call's context values. */
  readonly contextValues: ContextValues;
}

/** A message of an attempt. */
export interface AttemptMessage {
  readonly attempt: AttemptStart;
  /** Its length as it is sent: compressed, if it is, and without framing. */
  readonly bytes: number;
  /** Its length uncompressed. The same as `bytes` if it is not compressed. */
  readonly uncompressedBytes: number;
}

/** One attempt of a call on one connection, after its end. */
export interface Attempt {
  /** Where it went. */
  readonly endpoint: Endpoint;
  /** What was called; `method.parent.typeName` is the service. */
  readonly method: DescMethod;
  /** 1 for the first attempt of a call. */
  readonly number: number;
  /** Whether an earlier attempt of the call was still in flight when it began. */
  readonly hedge: boolean;
  /** How it ended, and so whether it may be retried. */
  readonly end: AttemptEnd;
  /** The code of the error it ended with; undefined for success. Canceled for a stream abandoned by its reader. */
  readonly code?: Code;
  /** The error it ended with; undefined for success. */
  readonly error?: unknown;
  /** From its beginning to its end, in milliseconds. */
  readonly latencyMs: number;
  /**
   * The bytes of all its request messages, as they were sent: compressed and without framing. Undefined if none was
   * sent, and over `transportConnector` and a `grpcConnector()` with interceptors.
   */
  readonly sentBytes?: number;
  /** The same of all its response messages. */
  readonly receivedBytes?: number;
}

/** Notifies observers that an attempt begins; returns the functions to call at its end. */
export function startAttempt(observers: readonly CallObserver[], start: AttemptStart): ((attempt: Attempt) => void)[] {
  const ends: ((attempt: Attempt) => void)[] = [];
  for (const observer of observers) {
    guarded("attemptStarted of an observer", () => {
      const end = observer.attemptStarted?.(start);
      if (typeof end !== "function") return end;
      ends.push(end);
      return undefined;
    });
  }
  return ends;
}
