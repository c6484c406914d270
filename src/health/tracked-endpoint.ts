import type { Connection } from "../connection/connection.ts";
import type { Timer } from "../time/clock.ts";
import type { Ejected, OutlierRule } from "./ejected.ts";
import { FailureRun } from "./failure-run.ts";
import type { Volume } from "./success-rate.ts";

/** Where an endpoint is in the life of an ejection; see `Ejections`. */
export type Phase = "in" | "ejected" | "on trial" | "ramp";

/** What is known about one endpoint's calls, whatever becomes of its connection. */
export class TrackedEndpoint implements Volume {
  readonly identity: string;
  /** Its newest connection. */
  connection: Connection;
  /** That of its server when it was ready last. */
  incarnation: string | undefined;
  /** Whether its connection is ready. */
  ready = false;
  /** Whether its connection was lost since it became ready: the other calls that were in flight say nothing new. */
  lost = false;
  /** Its calls within the interval, as of its end. */
  succeeded = 0;
  failed = 0;
  /** How many calls had succeeded when the interval began. */
  successesBefore = 0;
  /** How many calls were answered with an error that is no fault of the server. */
  otherSuccesses = 0;
  readonly run: FailureRun = new FailureRun();
  /** Whether its calls fail one after the other and it is not ejected, as others' fail as well. */
  suspect = false;
  /** How many calls had succeeded when it became suspect: if more have, it no longer is. */
  successesBeforeSuspicion = 0;
  phase: Phase = "in";
  /** When the phase began, on the clock's scale. */
  sinceMs = 0;
  /** Ends the phase. */
  timer: Timer | undefined = undefined;
  ejected: Ejected | undefined = undefined;
  /** The base of its last ejection's length, in milliseconds. */
  baseMs = 0;
  /** The rule that found it last. */
  rule: OutlierRule = "consecutive_failures";
  /** How often it was ejected in a row; less by one for each interval since `backMs`. */
  multiplier = 0;
  /** When its last ejection ended. */
  backMs = 0;
  /** How many calls it may have in flight. */
  window: number = Infinity;

  constructor(identity: string, connection: Connection) {
    this.identity = identity;
    this.connection = connection;
  }

  /** Whether another success changes nothing. */
  get calm(): boolean {
    return this.phase === "in" && this.run.length === 0 && !this.suspect;
  }

  /** Whether it gets no calls, or only to see whether it works again. */
  get out(): boolean {
    return this.phase === "ejected" || this.phase === "on trial";
  }

  clearVolume(successes: number): void {
    this.successesBefore = successes;
    this.failed = 0;
  }
}
