import { Code } from "@connectrpc/connect";
import type { Outcome } from "../connection/connection.ts";

/**
 * What an outcome says about its server: a `success`, a `failure`, or that the connection was `lost` with the call in
 * flight, which counts as one failure however many calls were. Undefined: nothing.
 */
export type Verdict = "success" | "failure" | "lost" | undefined;

/**
 * Codes that are no failure of the server unless an option says so, but no success either: it may be overloaded, or the
 * request may be to blame.
 */
const NEUTRAL: ReadonlySet<Code> = new Set([
  Code.Canceled,
  Code.Unknown,
  Code.DeadlineExceeded,
  Code.ResourceExhausted,
  Code.Internal,
  Code.Unavailable,
  Code.DataLoss,
]);

/** How many times the usual latency an attempt must have been allowed for its deadline to be the server's fault. */
const PATIENCE = 2;

/**
 * Judges an outcome. `codes`: those that count as failures. `usualMs`: how long the method usually takes, in all of the
 * fleet; undefined while that is not known.
 */
export function verdictOf(outcome: Outcome, codes: ReadonlySet<Code>, usualMs: number | undefined): Verdict {
  const { code, end, abandoned } = outcome;
  if (code === undefined) return "success";
  // A server that is draining refuses calls; that is what it ought to do.
  if (abandoned || end === "not-sent" || end === "refused") return undefined;
  if (codes.has(code)) {
    if (code === Code.Unavailable && end === "maybe-processed") return "lost";
    return code !== Code.DeadlineExceeded || wasPatient(outcome, usualMs) ? "failure" : undefined;
  }
  return end === "answered" && !NEUTRAL.has(code) ? "success" : undefined;
}

/** Whether a server that is like the others would have answered in time. A stream that it answered may end any time. */
function wasPatient({ timeoutMs = Infinity, headerMs, end }: Outcome, usualMs: number | undefined): boolean {
  if (usualMs === undefined || (headerMs !== undefined && end !== "answered")) return false;
  return timeoutMs >= PATIENCE * usualMs;
}
