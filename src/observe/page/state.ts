/**
 * What the page shows, as plain JSON: tables of flat rows, which the script in the browser and other programs read from
 * `snapshot` and, as differences, from `events`. All text from elsewhere is already cut and escaped.
 *
 * @module
 */

/** Rows by an id that stays the same while the row stands for the same thing. Ids mean nothing else. */
export type Table<Row> = Readonly<Record<string, Row>>;

/** The state of all that is observed at one moment. Times are on the monotonic scale of `nowMs`. */
export interface PageState {
  /** The moment, in milliseconds. */
  readonly nowMs: number;
  /** The transports. */
  readonly services: Table<ServiceRow>;
  /** The endpoints of the transports. */
  readonly endpoints: Table<EndpointRow>;
  /** The servers in this program. */
  readonly servers: Table<ServerRow>;
  /** What the registries keep registered. */
  readonly registrations: Table<RegistrationRow>;
  /** The services that the registries watch. */
  readonly watches: Table<WatchRow>;
  /** The last failed calls, and the slowest of the last calls. */
  readonly calls: Table<CallRow>;
  /** What happened, the last 200 of it. */
  readonly events: Table<EventRow>;
}

/** The name of a table. */
export type TableName = Exclude<keyof PageState, "nowMs">;

/** The names of the tables. */
export const TABLES: readonly TableName[] = [
  "services",
  "endpoints",
  "servers",
  "registrations",
  "watches",
  "calls",
  "events",
];

/** A transport, which calls one service. */
export interface ServiceRow {
  /** What is resolved. */
  readonly target: string;
  /** The program whose transport it is: the URL of its page; null for this one. */
  readonly program: string | null;
  /** Whether its endpoints are known yet. */
  readonly known: boolean;
  /** Calls ever begun, those that failed, and those that were aborted or no longer read. */
  readonly calls: number;
  readonly failed: number;
  readonly abandoned: number;
  /** How many calls wait for a connection. */
  readonly waiting: number;
  /** Whether health is ignored because too few endpoints would be left. */
  readonly panic: boolean;
  /** Why the source of endpoints can't be reached; null if it can. */
  readonly stale: string | null;
  /** Since when. */
  readonly staleSinceMs: number | null;
  /** Whether it has a flight recorder, from which latencies and calls come. */
  readonly recorded: boolean;
  /** The median and the 99th percentile of its recorded calls. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  /** Why nothing can be said about it. */
  readonly problem: string | null;
}

/** An endpoint of a transport. */
export interface EndpointRow {
  /** The id of its service. */
  readonly service: string;
  readonly address: string;
  readonly authority: string | null;
  readonly secure: boolean | null;
  readonly zone: string | null;
  readonly weight: number | null;
  /** gRPC's connectivity state, and since when. */
  readonly state: string;
  readonly sinceMs: number;
  /** Whether it may get calls. */
  readonly available: boolean;
  /** `serving`, `unknown` (also while nothing was heard of it), or why it is held back. */
  readonly health: string;
  /** For how many more seconds it is ejected; null if it is not. */
  readonly ejectedForS: number | null;
  /** Whether it is back from an ejection, and gets only some calls. */
  readonly restricted: boolean;
  readonly inFlight: number;
  /** Attempts ever begun, those that failed, and those whose answers nobody wanted any more. */
  readonly attempts: number;
  readonly failed: number;
  readonly abandoned: number;
  /** Of its recorded attempts. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly lastError: string | null;
  /** What the policy knows about it. */
  readonly policy: string | null;
}

/** A gRPC server in this program. */
export interface ServerRow {
  readonly program: string | null;
  /** Where it listens. */
  readonly listens: string;
  /** `serving`, `draining` or `closed`. */
  readonly state: string;
  readonly connections: number;
  readonly inFlight: number;
  readonly calls: number;
  readonly failed: number;
  readonly problem: string | null;
}

/** One server's entry in a registry, kept by this program. */
export interface RegistrationRow {
  readonly program: string | null;
  readonly service: string;
  readonly address: string;
  readonly state: string;
  /** Since when it is in this state. */
  readonly sinceMs: number;
  /** How long the entry outlives this program, and when it was last renewed. */
  readonly ttlSeconds: number;
  readonly renewedMs: number | null;
  readonly key: string | null;
  readonly lastError: string | null;
}

/** A service that a registry watches. */
export interface WatchRow {
  readonly program: string | null;
  readonly service: string;
  /** How many endpoints it has; null while that is not known. */
  readonly endpoints: number | null;
  readonly stale: string | null;
  readonly staleSinceMs: number | null;
}

/** A call that failed, or one of the slowest. */
export interface CallRow {
  /** The id of its service. */
  readonly service: string;
  /** `package.Service/Method`. */
  readonly method: string;
  /** When it began, in milliseconds since 1970. */
  readonly startedMs: number;
  readonly latencyMs: number;
  /** The code's name, `OK` if it succeeded. */
  readonly code: string;
  readonly failed: boolean;
  /** Whether it is one of the slowest. */
  readonly slow: boolean;
  /** Why it failed, or where its time went. */
  readonly why: string;
  readonly attempts: readonly AttemptRow[];
  /** How many more attempts it made. */
  readonly moreAttempts: number;
}

/** One attempt of a call. */
export interface AttemptRow {
  readonly address: string;
  readonly number: number;
  readonly hedge: boolean;
  /** When it began, in milliseconds after the call did. */
  readonly fromMs: number;
  /** For how long no attempt had been in flight. */
  readonly waitMs: number;
  /** From its beginning until the server began to answer; null if that was not seen. */
  readonly firstByteMs: number | null;
  /** Null if it was still in flight when its call ended; so are the next two. */
  readonly latencyMs: number | null;
  /** How it ended: `answered`, `not-sent`, `refused` or `maybe-processed`. */
  readonly end: string | null;
  readonly code: string | null;
  readonly error: string | null;
}

/** Something that happened. */
export interface EventRow {
  readonly atMs: number;
  /** The service's name. */
  readonly service: string;
  /** What it happened to: an address, or nothing. */
  readonly subject: string;
  readonly text: string;
  readonly level: "good" | "bad" | "note";
  /** How often it happened in a row. */
  readonly times: number;
}
