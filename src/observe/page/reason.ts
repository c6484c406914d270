import type { RecordedCall } from "../recorder/recorded-call.ts";

/** Why a call failed, or on what most of its time was spent: one or two sentences. */
export function reasonOf(call: RecordedCall): string {
  const { code, error } = call;
  const why = error === undefined ? "" : `${code}: ${error}${/[.!?]$/.test(error) ? "" : "."} `;
  return `${why}${spentOn(call)}`;
}

/** A share of a call's time. */
interface Share {
  readonly ms: number;
  readonly on: string;
}

function spentOn({ latencyMs, waited, attempts, moreAttempts }: RecordedCall): string {
  const { resolutionMs, connectionMs, roomMs, backoffMs } = waited;
  const shares: Share[] = [
    { ms: resolutionMs, on: "waiting for the service's endpoints" },
    { ms: connectionMs, on: "waiting for a connection that is ready" },
    { ms: roomMs, on: "waiting for servers that had as many calls in flight as they allow" },
    { ms: backoffMs, on: "waiting before retries" },
  ];
  for (const { endpoint, firstByteMs, latencyMs: tookMs, startedMs, end, code } of attempts) {
    if (tookMs === undefined) {
      shares.push({
        ms: latencyMs - startedMs,
        on: `waiting for ${endpoint}, which had not answered when the call ended`,
      });
    } else if (code !== "OK" && end !== "answered") {
      shares.push({ ms: tookMs, on: `in an attempt on ${endpoint} that failed` });
    } else if (firstByteMs !== undefined && tookMs - firstByteMs > firstByteMs) {
      shares.push({ ms: tookMs - firstByteMs, on: `while the response of ${endpoint} was read` });
    } else {
      shares.push({ ms: tookMs, on: `waiting for ${endpoint} to answer` });
    }
  }
  const most = shares.reduce((a, b) => b.ms > a.ms ? b : a);
  const made = attempts.length + moreAttempts;
  const times = made === 0 ? "No attempt was made" : made === 1 ? "One attempt" : `${made} attempts`;
  if (most.ms <= 0) return `${times}.`;
  return `${times}; ${shown(most.ms)} of ${shown(latencyMs)} went by ${most.on}.`;
}

function shown(ms: number): string {
  return `${ms < 10 ? Math.round(10 * ms) / 10 : Math.round(ms)} ms`;
}
