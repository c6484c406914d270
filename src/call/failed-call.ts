import type { DescMethod } from "@bufbuild/protobuf";
import type { PickerSource } from "../balancer/picker-source.ts";
import type { FailedAttempt } from "./failed-attempts.ts";
import type { TimeoutSource } from "./settings.ts";

/** How long a call was allowed to take, and who said so. */
export interface FailedCallLimit {
  readonly ms: number;
  readonly from: TimeoutSource;
}

/** What is known of a call that failed. */
export interface FailedCall {
  readonly method: DescMethod;
  /** The attempts that failed, the last of them included. */
  readonly attempts: readonly FailedAttempt[];
  /** Where its connections came from. */
  readonly balancer: Pick<PickerSource, "target" | "scheme" | "describe">;
  /** Undefined: any time. */
  readonly limit?: FailedCallLimit | undefined;
}

const calls = new WeakMap<object, FailedCall>();

/** Remembers which call failed with an error. */
export function rememberFailure(error: unknown, call: FailedCall): void {
  if (typeof error === "object" && error !== null) calls.set(error, call);
}

/** The call that failed with an error, if it was one of a balanced transport. */
export function failedCallOf(error: object): FailedCall | undefined {
  return calls.get(error);
}
