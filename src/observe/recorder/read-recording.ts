import { shownText } from "../../shown-text.ts";
import { statusName } from "../status-name.ts";
import type { RecordedAttempt, RecordedCall } from "./recorded-call.ts";
import type { AttemptRecording, Recording } from "./recording.ts";

/** Changes of the difference of the two clocks that are not noticed are smaller than this, in milliseconds. */
const JITTER_MS = 100;

/** A recording of a call that has ended, as plain JSON. */
export function readRecording(recording: Recording): RecordedCall {
  const { attempts, clock, code, error, kept, latencyMs, made, method, startedMs, target, timeoutMs, waited } =
    recording;
  // For people: no decision depends on it.
  const wallMs = Math.round(Date.now() - (clock.now() - startedMs));
  // The two clocks tick at different moments: without this, the same call would be another one whenever it is read.
  if (!(Math.abs(wallMs - recording.wallMs) < JITTER_MS)) recording.wallMs = wallMs;
  return {
    target: shownText(target),
    method: shownText(`${method.parent.typeName}/${method.name}`),
    kind: method.methodKind,
    startedMs: recording.wallMs,
    latencyMs: rounded(latencyMs),
    ...given("timeoutMs", timeoutMs),
    code: statusName(code),
    ...error !== undefined && { error },
    waited: {
      resolutionMs: rounded(waited.resolution),
      connectionMs: rounded(waited.connection),
      roomMs: rounded(waited.room),
      backoffMs: rounded(waited.backoff),
    },
    attempts: attempts.slice(0, kept).map(readAttempt),
    moreAttempts: Math.max(0, made - kept),
  };
}

function readAttempt(attempt: AttemptRecording): RecordedAttempt {
  const { code, end, endpoint, error, firstByteMs, hedge, latencyMs, number, startedMs, waitMs } = attempt;
  return {
    endpoint: shownText(endpoint),
    number,
    hedge,
    startedMs: rounded(startedMs),
    waitMs: rounded(waitMs),
    ...given("firstByteMs", firstByteMs),
    ...given("latencyMs", latencyMs),
    ...end !== undefined && { end, code: statusName(code) },
    ...error !== undefined && { error },
  };
}

/** A time in milliseconds, to the microsecond. */
function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}

/** A field for a number that may not be known. */
function given<Name extends string>(name: Name, ms: number): { readonly [name in Name]?: number } {
  return (Number.isNaN(ms) ? {} : { [name]: rounded(ms) }) as { readonly [name in Name]?: number };
}
