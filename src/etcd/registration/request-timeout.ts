import { REQUEST_TIMEOUT_MS } from "../client/client.ts";

/** The longest time that a request of a registration may take, unless the option is longer, in milliseconds. */
const LONGEST_REQUEST_MS = 10_000;
/** Half of a shorter TTL, in milliseconds, would be less than any other request may take. */
const SHORT_TTL_MS = 2 * REQUEST_TIMEOUT_MS;

/** How long a request of a registration may take: a slow etcd is waited for as long as the lease allows. */
export function requestTimeoutMs(optionMs: number, ttlMs: number): number {
  return Math.max(optionMs, Math.min(ttlMs / 2, LONGEST_REQUEST_MS));
}

/** How long a renewal of the lease may take: with a short TTL there must be time left for another endpoint. */
export function renewalTimeoutMs(optionMs: number, ttlMs: number): number {
  return ttlMs < SHORT_TTL_MS ? Math.max(1_000, Math.round(ttlMs / 3)) : requestTimeoutMs(optionMs, ttlMs);
}
