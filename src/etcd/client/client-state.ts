import { Backoff } from "../../time/backoff.ts";
import type { AuthenticationError } from "../driver/failure.ts";
import type { Cursor } from "./cursor.ts";
import { RETRY } from "./pace.ts";

/**
 * The timeout of an authentication, in milliseconds: at first, and once one has timed out. etcd checks a password with
 * bcrypt, a tenth of a second of one core, for everyone who asks, and continues for those who have gone: giving up
 * early and asking again only adds to its work. A dead endpoint is detected earlier, by pings.
 */
export const AUTHENTICATION_TIMEOUT_MS = { initial: 60_000, most: 120_000 } as const;
/** The pause after a failed authentication that may have cost etcd work. */
const PAUSE = { initialMs: 1_000, maxMs: 40_000, factor: 2, jitter: 0.5 } as const;

/** What is known of a user's token: plain data, like all of {@link ClientState}. */
export class TokenState {
  /** "" once etcd has reported that authentication is disabled. */
  token: string | undefined;
  /** When it arrived, in milliseconds of the clock. */
  sinceMs: number = -Infinity;
  /** The endpoints that refused the token. */
  readonly refusedAt: Set<string> = new Set();
  /** Before this no authentication begins, in milliseconds of the clock. */
  notBeforeMs: number = -Infinity;
  /** The pause after the last token that was refused, waited for or not, in milliseconds. */
  pauseMs: number = Infinity;
  /** The last authentication, if it failed. */
  failure: AuthenticationError | undefined;
  timeoutMs: number = AUTHENTICATION_TIMEOUT_MS.initial;
  /** Where the next authentication goes. Undefined: to the endpoint that answered last. */
  cursor: Cursor | undefined;
  /** The pauses after authentications that etcd worked on, and after those that never reached it. */
  readonly pause: Backoff;
  readonly reconnect: Backoff;

  constructor(random: () => number) {
    this.pause = new Backoff(PAUSE, random);
    this.reconnect = new Backoff(RETRY, random);
  }
}

/**
 * What a client has learned, for other clients of the same user and endpoints. Nothing here is a promise, a timer or a
 * signal, so that the requests of a Worker, each with a client of its own, can share it.
 */
export interface ClientState {
  /** Where cursors start: at random, to spread processes over the cluster, then at the endpoint that answered last. */
  start?: number;
  token?: TokenState;
}
