/**
 * A link is what carries calls to one endpoint: a Connect transport, and the life of what is under it. A connector makes
 * links, and so decides protocol and TLS; connections (`endpoint-connection.ts`) own them, and say when one opens and
 * closes.
 *
 * To write a connector: return a {@link Link} whose transport marks what it knows of attempts that fail (`mark.ts`), so
 * that calls which no server has processed go elsewhere. A link that sees its connection has `connect`, and reports
 * through {@link LinkEvents} when it is lost or drains; `grpcConnector`'s is the example (`node/grpc-link.ts`). A link over
 * fetch, or over anything else that opens connections unseen, leaves `connect` out, and what becomes of its attempts says
 * whether its server can be reached; `transport-connector.ts` is the example. Opening, backoff, draining and the pace of
 * all that are not a link's business.
 *
 * Links for many small calls may report how calls end without a promise for each: see `end-reporting.ts`.
 *
 * @module
 */
import type { Transport } from "@connectrpc/connect";
import type { Endpoint } from "../endpoint.ts";

/** What a link tells the connection it belongs to. Events concern the most recent `connect()` only. */
export interface LinkEvents {
  /**
   * The server asked for no new calls (GOAWAY), or the link decided to send none; calls in flight go on. The next
   * `connect()` opens afresh beside them, and what becomes of the drained opening is not reported any more.
   */
  draining(): void;
  /** The link is gone. No cause: it ended as it should (idle time-out). */
  lost(cause?: Error): void;
  /**
   * The link's `room` was 0 and is not any more. Where this is given, calls wait for room at the link's owner, which gives
   * them to whichever link has room first. `grpcConnector`'s links keep none waiting then: a call that comes all the same
   * goes back to its owner and counts as no attempt.
   */
  room?(): void;
  /** The server takes keepalive pings for abuse while no call is open (etcd): the link sends none then. */
  readonly pingsNeedCalls?: boolean;
}

/**
 * What a connector opened for an endpoint: Connect's own Transport plus its life.
 *
 * Its transport marks the errors of attempts that it knows not to have been processed (`markAttempt`).
 */
export interface Link {
  readonly transport: Transport;
  /**
   * How many more calls the server allows for now (HTTP/2's MAX_CONCURRENT_STREAMS); 0 or less: the link is full. It is
   * read at every pick. Undefined: there is always room. A link that wraps another passes it on.
   */
  readonly room?: number | undefined;
  /** `grpc`: attempts after the first carry `grpc-previous-rpc-attempts` (gRFC A6). */
  readonly protocol?: "grpc";
  /**
   * Opens the link; resolves when the server is there and takes calls. Called again after `draining` or `lost`. Rejects
   * when it can't be opened or when `signal` aborts; how long it may take is the link's own to limit.
   *
   * A link without `connect` has no states (fetch): it counts as ready until an attempt is not sent.
   */
  connect?(signal: AbortSignal): Promise<void>;
  /**
   * The endpoint left the set: fails calls that were not sent yet with the mark `not-sent`, so that they go elsewhere.
   * Those in flight go on, and more may come, as the endpoint may be back before `close`.
   */
  giveBack?(): void;
  /**
   * Takes no new calls, lets those in flight finish for `graceMs` (default 0; streams for `streamGraceMs`, default
   * `graceMs`; Infinity: however long they take), then ends them. Resolves when all is closed; never rejects.
   */
  close(graceMs?: number, streamGraceMs?: number): Promise<void>;
}

/** Makes the link of an endpoint. Called once per connection; it opens nothing by itself. */
export type Connector = (endpoint: Endpoint, events: LinkEvents) => Link;
