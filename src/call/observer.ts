import type { DescMethod } from "@bufbuild/protobuf";
import type { Code, ContextValues } from "@connectrpc/connect";
import type { AttemptEnd } from "../connection/mark.ts";
import type { Endpoint } from "../endpoint.ts";
import { guarded } from "../listener.ts";

/**
 * Observes the beginning and the end of every attempt of every call: for spans, metrics and logs. Errors it throws are
 * printed and otherwise ignored. `onAttempt` is the short form, for ends only.
 *
 * To write one: return an object with `attemptStarted`; keep an attempt's state in the function it returns.
 */
export interface CallObserver {
  /**
   * An attempt begins; its request has not been sent yet. The returned function is called once, when the attempt has
   * ended; for a stream, when its last message was read.
   */
  attemptStarted(start: AttemptStart): ((attempt: Attempt) => void) | void;
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
  /** The attempt's request headers, created when read. Headers added now, such as a trace context, are sent. */
  readonly header: Headers;
  /** The call's context values. */
  readonly contextValues: ContextValues;
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
}

/** Notifies observers that an attempt begins; returns the functions to call at its end. */
export function startAttempt(observers: readonly CallObserver[], start: AttemptStart): ((attempt: Attempt) => void)[] {
  const ends: ((attempt: Attempt) => void)[] = [];
  for (const observer of observers) {
    guarded("attemptStarted of an observer", () => {
      const end = observer.attemptStarted(start);
      if (typeof end !== "function") return end;
      ends.push(end);
      return undefined;
    });
  }
  return ends;
}
