// For relays, which make calls of another kind on the transports that users made.

import type { CallEnvironment } from "../call/environment.ts";

const environments = new WeakMap<object, CallEnvironment>();

/** Records what the calls of a transport share. */
export function keepEnvironment(transport: object, env: CallEnvironment): void {
  environments.set(transport, env);
}

/** What the calls of a balanced transport share; undefined for other transports, and for one that has interceptors. */
export function environmentOf(transport: object): CallEnvironment | undefined {
  return environments.get(transport);
}
