import type { DescMethod } from "@bufbuild/protobuf";

/**
 * Decides which calls are made at all. It runs once per transport. To write one: return an object that counts how
 * attempts end and refuses calls; `adaptive-throttle.ts` is the example.
 */
export type Throttle = (env: ThrottleEnvironment) => CallThrottle;

/** What a transport provides to its throttle. */
export interface ThrottleEnvironment {
  /** Milliseconds on a monotonic scale. */
  now(): number;
  /** A random number in [0, 1). */
  random(): number;
}

/** A running throttle. */
export interface CallThrottle {
  /** Called before each call. Returns why it must not be made, for its error, or undefined if it may. */
  refuses(method: DescMethod): string | undefined;
  /** Called when an attempt has ended; `error` is undefined for success. */
  ended(method: DescMethod, error: unknown): void;
}
