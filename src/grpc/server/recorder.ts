import type { DescMethod } from "@bufbuild/protobuf";
import type { ContextValues, Interceptor } from "@connectrpc/connect";

/**
 * Hears of a server's calls, of every protocol, from their arrival to their end, and adds a field to their trailers.
 * Its methods must not throw.
 */
export interface CallRecorder {
  /**
   * Does the same on other Connect routers. A server that records its calls leaves it out of their interceptors, so that
   * none is recorded twice.
   */
  readonly interceptor: Interceptor;
  /** The name of the field, in lower case. */
  readonly trailerName: string;
  /** A call has arrived. Returns when, in milliseconds, or undefined if {@link ended} is not to be called for it. */
  arrived(method: DescMethod): number | undefined;
  /**
   * The response is complete, or will never be, and the handler has ended. `error` is undefined for a call that
   * succeeded.
   */
  ended(method: DescMethod, arrivedAtMs: number, error: unknown): void;
  /** The value of the field. `values` are the call's context values, if it has any. */
  trailer(values: ContextValues | undefined): string;
}

/** Trailers with the recorder's field, in place of a handler's own of that name. */
export function withRecorded(
  { trailerName }: CallRecorder,
  value: string,
  fields: readonly string[] | undefined,
): string[] {
  if (fields === undefined) return [trailerName, value];
  const all: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] !== trailerName) all.push(fields[i]!, fields[i + 1]!);
  }
  all.push(trailerName, value);
  return all;
}
