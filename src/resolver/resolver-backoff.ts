import type { BackoffOptions } from "../time/backoff.ts";

/** The backoff before a resolver that failed is used again. */
export const RESOLVER_BACKOFF: BackoffOptions = { initialMs: 1_000, maxMs: 30_000 };
