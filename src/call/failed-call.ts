import type { DescMethod } from "@bufbuild/protobuf";
import type { PickerSource } from "../balancer/picker-source.ts";
import type { FailedAttempt } from "./failed-attempts.ts";

/** What is known of a call that failed. */
export interface FailedCall {
  readonly method: DescMethod;
  /** The attempts that failed, the last of them included. */
  readonly attempts: readonly FailedAttempt[];
  /** Where its connections came from. */
  readonly balancer: Pick<PickerSource, "target" | "describe">;
}

const calls = new WeakMap<object, FailedCall>();

/** Remembers which call failed with an error. */
export function rememberFailure(
  error: unknown,
  method: DescMethod,
  attempts: readonly FailedAttempt[],
  balancer: FailedCall["balancer"],
): void {
  if (typeof error === "object" && error !== null) calls.set(error, { method, attempts, balancer });
}

/** The call that failed with an error, if it was one of a balanced transport. */
export function failedCallOf(error: object): FailedCall | undefined {
  return calls.get(error);
}
