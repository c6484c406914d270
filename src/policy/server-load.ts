import type { Connection } from "../connection/connection.ts";

/** What is known of the load of one server. */
export class ServerLoad {
  readonly connection: Connection;
  /** The requests in flight that it reported last. */
  inFlight: number = 0;
  /** How many of them were not this client's. */
  others: number = 0;
  /** How long its calls take, in milliseconds, as it reported; Infinity if it did not. */
  latencyMs: number = Infinity;
  /** When it reported that, or was asked for it; -Infinity: never. */
  reportedAtMs: number = -Infinity;
  /** Whether it reports at all; undefined: that is not known yet. */
  reports: boolean | undefined;
  /** Whether it is among the connections of the newest picker. */
  inSet: boolean = false;
  /** Since when its connection has been ready; -Infinity: from the start; undefined: it is not. */
  readySinceMs: number | undefined;
  /** It is not probed before this time: a probe is in flight, the last one failed, or it does not report. */
  probeAtMs: number = -Infinity;
  /** Its reports do not count before this time, because it fails calls. */
  trustedAtMs: number = -Infinity;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  /** Its connection is not ready. The next one may be to a server that was replaced by another version. */
  disconnected(): void {
    this.readySinceMs = this.reports = undefined;
    this.probeAtMs = -Infinity;
  }

  /** Requests in flight at this moment: those of others as reported, and this client's, which it counts itself. */
  get now(): number {
    return this.others + this.connection.inFlight;
  }
}
