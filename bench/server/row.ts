import type { ServerContender } from "./contender.ts";

/** What a case showed of a server: medians of its rounds. */
export interface ServerRow {
  readonly server: ServerContender["name"];
  readonly runtime: ServerContender["runtime"];
  readonly case: string;
  readonly callsPerSecond: number;
  readonly p99Ms: number;
  /** The server's CPU time for a call, or for a message of a server stream. */
  readonly serverCpuUs: number;
  /** The client's; null where it is a load generator. */
  readonly clientCpuUs: number | null;
  /** What the server held in memory right after. */
  readonly residentMiB: number;
}

/** What an idle connection takes of a server's memory. */
export interface IdleRow {
  readonly server: ServerContender["name"];
  readonly runtime: ServerContender["runtime"];
  readonly connections: number;
  readonly bytesPerConnection: number;
}
