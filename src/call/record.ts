import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Outcome } from "../connection/connection.ts";
import type { AttemptEnd } from "../connection/mark.ts";
import type { Endpoint } from "../endpoint.ts";
import { codeOf, endedConnection } from "./failure.ts";
import type { Attempt } from "./observer.ts";

/** Where an attempt's trailers are read from, when someone reads them. */
export interface WithTrailer {
  readonly trailer: Headers;
}

/**
 * What is recorded of an attempt for those who ask how it ends. One object for its whole life, because there is one per
 * call: it is the outcome that pickers and health checks get, and what they don't read is not computed. For its fields, see `BoundedCall`.
 */
export class AttemptRecord implements Outcome {
  /** 1 for the first attempt of a call. */
  declare readonly number: number;
  declare readonly method: DescMethod;
  declare readonly timeoutMs: number | undefined;
  /** Whether an earlier attempt of the call was in flight when it began. */
  declare hedge: boolean;
  /** Observers, which are notified of its end. */
  declare onEnd: readonly ((attempt: Attempt) => void)[] | undefined;
  declare readonly startedMs: number;
  declare end: AttemptEnd;
  declare latencyMs: number;
  /** When its response began to arrive, if that was not its end. */
  declare private beganMs: number | undefined;
  declare abandoned: boolean;
  /** Whether health checks hear of it even if it succeeds. */
  declare sampled: boolean;
  /** The bytes of its messages; undefined until its link reports one. */
  declare private sentBytes: number | undefined;
  declare private receivedBytes: number;
  /** Undefined for success. */
  declare error: unknown;
  declare private response: WithTrailer | undefined;

  static {
    // What few attempts change costs the others nothing on the prototype.
    const usual: Partial<AttemptRecord> = { hedge: false, abandoned: false, sampled: false };
    Object.assign(this.prototype, usual, { onEnd: undefined, beganMs: undefined, error: undefined });
  }

  /** It began at `startedMs`, on the clock's scale. */
  constructor(number: number, method: DescMethod, timeoutMs: number | undefined, startedMs: number) {
    this.response = this.sentBytes = undefined;
    this.end = "not-sent";
    this.latencyMs = this.receivedBytes = 0;
    this.number = number;
    this.method = method;
    this.timeoutMs = timeoutMs;
    this.startedMs = startedMs;
  }

  /** The server began to answer, and the attempt continues: a stream. */
  answering(nowMs: number): void {
    this.beganMs = nowMs - this.startedMs;
  }

  message(event: "messageSent" | "messageReceived", bytes: number): void {
    if (event === "messageReceived") this.receivedBytes += bytes;
    else this.sentBytes = (this.sentBytes ?? 0) + bytes;
  }

  /** It ended, with a response or an error, if there was one. */
  ended(end: AttemptEnd, nowMs: number, error: unknown, response: WithTrailer | undefined): void {
    this.end = end;
    // An attempt may begin while a chunk is read that also has its end: the end of its connection.
    this.latencyMs = Math.max(0, nowMs - this.startedMs);
    if (error !== undefined) this.error = error;
    this.response = response;
  }

  /** It was never made. */
  takenBack(error: unknown): void {
    this.error = error;
  }

  get code(): Code | undefined {
    if (this.error === undefined) return undefined;
    return endedConnection(this.error) ? Code.Internal : codeOf(this.error);
  }

  get headerMs(): number | undefined {
    return this.beganMs ?? (this.end === "answered" ? this.latencyMs : undefined);
  }

  get trailer(): Headers {
    if (this.error === undefined && this.response !== undefined) return this.response.trailer;
    return this.error instanceof ConnectError ? this.error.metadata : new Headers();
  }

  /** The attempt as observers see it after its end. */
  seenAt(endpoint: Endpoint): Attempt {
    const { number, hedge, method, end, latencyMs, error, sentBytes, receivedBytes } = this;
    // No spread for those that succeed: this runs for every call.
    const seen = sentBytes === undefined
      ? { endpoint, method, number, hedge, end, latencyMs }
      : { endpoint, method, number, hedge, end, latencyMs, sentBytes, receivedBytes };
    return error === undefined ? seen : { ...seen, code: codeOf(error), error };
  }
}
