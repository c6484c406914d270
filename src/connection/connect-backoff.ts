import type { BackoffOptions } from "../time/backoff.ts";

/** The default of gRPC's connection-backoff.md: 1 s, growing by a factor of 1.6 to 120 s, with a jitter of 0.2. */
export const DEFAULT_CONNECT_BACKOFF: BackoffOptions = { initialMs: 1_000, maxMs: 120_000 };
