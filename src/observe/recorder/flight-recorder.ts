import type { CallObserver, CallStart, CallWatch } from "../../call/observer.ts";
import { checkOptions, type Checks, oneOf, wholeNumber } from "../../option.ts";
import { CallRing } from "./call-ring.ts";
import { readRecording } from "./read-recording.ts";
import { recordError } from "./recorded-errors.ts";
import type { RecordedCall, RecordedCallsQuery } from "./recorded-call.ts";
import { Recording, type Recordings } from "./recording.ts";
import { SlowestCalls } from "./slowest-calls.ts";

/** Options of {@link flightRecorder}. */
export interface FlightRecorderOptions {
  /** How many of the last calls it keeps; one takes about half a kilobyte. From 1 to 1,000,000. Defaults to 1,000. */
  readonly calls?: number;
}

/** What a transport's recent calls did: for the option `recorder` of transports, which `transport.recorder` returns. */
export interface FlightRecorder extends CallObserver {
  callStarted(start: CallStart): CallWatch;
  /**
   * The calls it has, as plain JSON. Calls in flight are not among them.
   *
   * @throws TypeError or RangeError for an invalid query.
   */
  calls(query?: RecordedCallsQuery): RecordedCall[];
}

/** How many failed calls, and how many slow ones, are kept apart from the last ones. */
const KEPT_APART = 100;

/** How long a slow call is kept at least, unless others are slower. */
const SLOW_PERIOD_MS = 1_800_000;

/** How many recordings are kept for further calls. */
const MOST_FREE = 1_000;

const OPTIONS: Checks<FlightRecorderOptions> = { calls: wholeNumber(1, 1_000_000) };

const QUERY: Checks<RecordedCallsQuery> = { which: oneOf("last", "failed", "slowest"), limit: wholeNumber(1) };

/**
 * Records what each call did: its attempts with their endpoints, and where its time went. It keeps the last calls and,
 * apart from them, so that a flood of others doesn't wash them out, the last hundred that failed and the slowest hundred
 * of the last half hour to hour. A call that its caller aborted has not failed; the slowness of a stream is how long it
 * took until its response began.
 *
 * Neither metadata nor message content is recorded. Give it to a transport as the option `recorder`; several transports
 * may share one. Without a call, it takes no memory.
 *
 * @throws TypeError or RangeError for an invalid option.
 */
export function flightRecorder(options: FlightRecorderOptions = {}): FlightRecorder {
  checkOptions("flightRecorder()", options, OPTIONS);
  return new RingRecorder(options.calls ?? 1_000);
}

class RingRecorder implements FlightRecorder, Recordings {
  readonly #last: CallRing;
  readonly #failed = new CallRing(KEPT_APART);
  readonly #slowest = new SlowestCalls(KEPT_APART, SLOW_PERIOD_MS);
  readonly #free: Recording[] = [];

  constructor(calls: number) {
    this.#last = new CallRing(calls);
  }

  callStarted(start: CallStart): Recording {
    return (this.#free.pop() ?? new Recording(this)).begin(start);
  }

  keep(recording: Recording, nowMs: number, error: unknown): void {
    this.#last.add(recording);
    this.#slowest.add(recording, nowMs);
    if (error === undefined) return;
    if (recording.failed) this.#failed.add(recording);
    const { uses } = recording;
    recordError(error, () => recording.uses === uses ? readRecording(recording) : undefined);
  }

  free(recording: Recording): void {
    if (this.#free.length < MOST_FREE) this.#free.push(recording);
  }

  calls(query: RecordedCallsQuery = {}): RecordedCall[] {
    checkOptions("calls()", query, QUERY);
    const { which = "last", limit = Infinity } = query;
    const found = which === "slowest"
      ? this.#slowest.slowest(limit)
      : (which === "failed" ? this.#failed : this.#last).newest(limit);
    return found.map(readRecording);
  }
}
