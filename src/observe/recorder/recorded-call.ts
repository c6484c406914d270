// What a flight recorder tells of calls: plain JSON. Names stay the same from version to version. No metadata and no
// message content is ever in it; texts from elsewhere are cut and escaped.

import type { DescMethod } from "@bufbuild/protobuf";
import type { AttemptEnd } from "../../connection/mark.ts";

/** Which of the recorded calls to read. */
export interface RecordedCallsQuery {
  /**
   * `last`: the last calls to end; `failed`: the last that failed; both the newest first. `slowest`: the slowest of the
   * last half hour to hour, the slowest first. Defaults to `last`.
   */
  readonly which?: "last" | "failed" | "slowest";
  /** The most calls to read. Defaults to all that are kept. */
  readonly limit?: number;
}

/** One call that has ended. */
export interface RecordedCall {
  /** The transport's target: usually the service's name. */
  readonly target: string;
  /** `package.Service/Method`. */
  readonly method: string;
  /** Whether it was unary, or what of it was a stream. */
  readonly kind: DescMethod["methodKind"];
  /** When it began, in milliseconds since 1970, by this machine's clock. */
  readonly startedMs: number;
  /** From its beginning to its end, in milliseconds. */
  readonly latencyMs: number;
  /** How long it was allowed to take when it began, in milliseconds. Absent: any time. */
  readonly timeoutMs?: number;
  /** The code that its caller saw, by gRPC's name: `OK`, `UNAVAILABLE`. */
  readonly code: string;
  /** The text of the error that its caller saw. Absent if it succeeded. */
  readonly error?: string;
  /** How long it waited with no attempt in flight, and for what. */
  readonly waited: RecordedWaits;
  /** Its attempts: the first three, and the last. */
  readonly attempts: readonly RecordedAttempt[];
  /** How many attempts it made besides those. */
  readonly moreAttempts: number;
}

/** How long a call waited, by what for, in milliseconds. */
export interface RecordedWaits {
  /** For the service's endpoints. */
  readonly resolutionMs: number;
  /** For a connection that is ready. */
  readonly connectionMs: number;
  /** For room on servers that had as many calls in flight as they allow. */
  readonly roomMs: number;
  /** Before retries. */
  readonly backoffMs: number;
}

/** One attempt of a recorded call. */
export interface RecordedAttempt {
  /** The address that it went to. */
  readonly endpoint: string;
  /** 1 for the first attempt of its call. */
  readonly number: number;
  /** Whether an earlier attempt was still in flight when it began. */
  readonly hedge: boolean;
  /** When it began, in milliseconds after the call's beginning. */
  readonly startedMs: number;
  /** How long there had been no attempt of the call in flight when it began, in milliseconds. */
  readonly waitMs: number;
  /**
   * From its beginning until a stream's response headers arrived, or the first part of a unary response, in
   * milliseconds. Absent if there was no such moment: a small unary response arrives at once.
   */
  readonly firstByteMs?: number;
  /** From its beginning to its end, in milliseconds. Absent while a hedge is in flight whose call has ended. */
  readonly latencyMs?: number;
  /** How it ended; absent while it is in flight. */
  readonly end?: AttemptEnd;
  /** The code that it ended with, by gRPC's name; absent while it is in flight. */
  readonly code?: string;
  /** The text of the error that it failed with. */
  readonly error?: string;
}
