import { REQUEST_TIMEOUT_MS } from "../client/client.ts";

/** The longest timeout of a registration's request, unless the option is longer, in milliseconds. */
const LONGEST_REQUEST_MS = 10_000;
/** Half of a TTL shorter than this would be less than any other request's timeout, in milliseconds. */
const SHORT_TTL_MS = 2 * REQUEST_TIMEOUT_MS;

/** The timeout of a registration's request: waits for a slow etcd as long as the lease allows. */
export function requestTimeoutMs(optionMs: number, ttlMs: number): number {
  return Math.max(optionMs, Math.min(ttlMs / 2, LONGEST_REQUEST_MS));
}

/** The timeout of a lease renewal: with a short TTL it must leave time for another endpoint. */
export function renewalTimeoutMs(optionMs: number, ttlMs: number): number {
  return ttlMs < SHORT_TTL_MS ? Math.max(1_000, Math.round(ttlMs / 3)) : requestTimeoutMs(optionMs, ttlMs);
}
