import type { DescMethod } from "@bufbuild/protobuf";
import type { Code, ContextValues } from "@connectrpc/connect";
import type { AttemptEnd } from "../connection/mark.ts";
import type { Endpoint } from "../endpoint.ts";

/**
 * Learns of each attempt of each call when it begins and when it ends: for spans, metrics and logs. What it throws is
 * printed and does no harm. `onAttempt` is its short form, which hears of ends alone.
 *
 * To write one: return an object with `attemptStarted`; what belongs to one attempt lives in the function that it returns.
 */
export interface CallObserver {
  /**
   * An attempt begins; its request has not been sent. The function that is returned is called once, when it has ended;
   * for a stream, when its last message was read.
   */
  attemptStarted(start: AttemptStart): ((attempt: Attempt) => void) | void;
}

/** One try of a call on one connection, when it begins. */
export interface AttemptStart {
  /** Where it goes. */
  readonly endpoint: Endpoint;
  /** What is called; `method.parent.typeName` is the service. */
  readonly method: DescMethod;
  /** 1 for the first attempt of a call. */
  readonly number: number;
  /** The attempt's request headers, made when read. What is added to them now, such as a trace context, is sent. */
  readonly header: Headers;
  readonly contextValues: ContextValues;
}

/** One try of a call on one connection, when it has ended. */
export interface Attempt {
  /** Where it went. */
  readonly endpoint: Endpoint;
  /** What was called; `method.parent.typeName` is the service. */
  readonly method: DescMethod;
  /** 1 for the first attempt of a call. */
  readonly number: number;
  /** How it ended, in terms of what may be done about it. */
  readonly end: AttemptEnd;
  /** The code of the error it ended with; undefined for success. Canceled for a stream that its reader gave up. */
  readonly code?: Code;
  /** The error it ended with; undefined for success. */
  readonly error?: unknown;
  /** From its beginning to its end, in milliseconds. */
  readonly latencyMs: number;
}

/** Tells observers that an attempt begins; returns whom to tell of its end. */
export function startAttempt(observers: readonly CallObserver[], start: AttemptStart): ((attempt: Attempt) => void)[] {
  const ends: ((attempt: Attempt) => void)[] = [];
  for (const observer of observers) {
    try {
      const end = observer.attemptStarted(start);
      if (typeof end === "function") ends.push(end);
    } catch (thrown) {
      console.error("connect-lb: attemptStarted of an observer threw", thrown);
    }
  }
  return ends;
}
