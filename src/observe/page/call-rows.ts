import type { RecordedCall, RecordedCallsQuery } from "../recorder/recorded-call.ts";
import { shownText } from "../../shown-text.ts";
import { Latencies } from "./latencies.ts";
import { reasonOf } from "./reason.ts";
import type { CallRow } from "./state.ts";

/** How many failed and how many slow calls are shown, and from how many of the last calls latencies are taken. */
const MOST_SHOWN = 100, MOST_MEASURED = 2_000;

/** What is read of a flight recorder. */
export interface ReadRecorder {
  calls(query?: RecordedCallsQuery): readonly RecordedCall[];
}

/** The last failed and the slowest calls of a transport. Others may share its recorder. */
export function callRows(service: string, target: string, recorder: ReadRecorder): Record<string, CallRow> {
  const rows: Record<string, CallRow> = {};
  for (const which of ["slowest", "failed"] as const) {
    for (const call of recorder.calls({ which, limit: MOST_SHOWN })) {
      if (call.target !== target) continue;
      const id = `${service} ${call.startedMs} ${call.latencyMs} ${call.method}`;
      rows[id] ??= callRow(service, call);
      rows[id] = { ...rows[id], [which === "failed" ? "failed" : "slow"]: true };
    }
  }
  return rows;
}

function callRow(service: string, call: RecordedCall): CallRow {
  const { method, startedMs, latencyMs, code, attempts, moreAttempts } = call;
  return {
    service,
    method,
    startedMs,
    latencyMs: hundredths(latencyMs),
    code,
    failed: false,
    slow: false,
    why: shownText(reasonOf(call), 600),
    moreAttempts,
    attempts: attempts.map((attempt) => ({
      address: attempt.endpoint,
      number: attempt.number,
      hedge: attempt.hedge,
      fromMs: hundredths(attempt.startedMs),
      waitMs: hundredths(attempt.waitMs),
      firstByteMs: attempt.firstByteMs === undefined ? null : hundredths(attempt.firstByteMs),
      latencyMs: attempt.latencyMs === undefined ? null : hundredths(attempt.latencyMs),
      end: attempt.end ?? null,
      code: attempt.code ?? null,
      error: attempt.error ?? null,
    })),
  };
}

function hundredths(ms: number): number {
  return Math.round(100 * ms) / 100;
}

/** How long the recorded calls of a transport took, and their attempts by address. */
export interface RecordedLatencies {
  readonly calls: Latencies;
  readonly attempts: ReadonlyMap<string, Latencies>;
}

/** Reads them from a recorder. */
export function recordedLatencies(target: string, recorder: ReadRecorder): RecordedLatencies {
  const calls = new Latencies(), attempts = new Map<string, Latencies>();
  for (const call of recorder.calls({ limit: MOST_MEASURED })) {
    if (call.target !== target) continue;
    calls.add(call.latencyMs);
    for (const { endpoint, latencyMs } of call.attempts) {
      if (latencyMs === undefined) continue;
      let of = attempts.get(endpoint);
      if (of === undefined) attempts.set(endpoint, of = new Latencies());
      of.add(latencyMs);
    }
  }
  return { calls, attempts };
}
