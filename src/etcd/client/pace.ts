/** How soon a try follows on a failed one: full jitter, so that a restarted etcd is not met by everybody at once. */
export const RETRY = { initialMs: 100, maxMs: 2_000, factor: 2, jitter: "full" } as const;
/** The wait after a refused password or permission: only a person can change that. */
export const REFUSED_RETRY_MS = 30_000;
/** How long things must have gone well before the backoff starts over; a mere connect is not a sign of health. */
export const HEALTHY_MS = 10_000;
