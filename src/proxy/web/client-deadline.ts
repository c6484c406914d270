import { EARLY_MS } from "../../time/deadline.ts";

/** How much of a timeout a request may spend on its way to the proxy … */
const SHARE = 0.05;
/** … at most, in milliseconds. */
const MOST_MS = 1_000;

/**
 * Whether a client that leaves a call, of whose timeout so much is left here, does so because its deadline has passed.
 * That began with the request, so it passes before the one here, and clients say so by leaving. Were such a call
 * abandoned, nobody would learn that its server had let the deadline pass.
 */
export function isClientDeadline(leftMs: number, timeoutMs: number): boolean {
  return leftMs <= Math.min(MOST_MS, Math.max(EARLY_MS, timeoutMs * SHARE));
}
