// For relays, which make calls of another kind on the transports that users made.

import type { CallEnvironment } from "../call/environment.ts";

/** What the calls of a balanced transport share, for each that has no interceptors. */
export const environments: WeakMap<object, CallEnvironment> = new WeakMap();
