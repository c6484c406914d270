/**
 * A link carries calls to one endpoint: a Connect transport plus the lifecycle of the connection below it. A connector
 * creates links, and so decides protocol and TLS; connections (`endpoint-connection.ts`) own them, and decide when one
 * opens and closes.
 *
 * To write a connector: return a {@link Link} whose transport marks failed attempts with what it knows about them
 * (`mark.ts`), so that calls that no server processed go elsewhere. A link that can observe its connection has
 * `connect`, and reports through {@link LinkEvents} when it is lost or drains; `grpcConnector`'s is the example
 * (`grpc/link/grpc-link.ts`). A link over fetch, or over anything else that opens connections invisibly, omits `connect`,
 * and the results of its attempts show whether its server can be reached; `transport-connector.ts` is the example. When
 * to open, back off and drain is not a link's business.
 *
 * Links for many small calls may report how calls end without a promise for each: see `end-reporting.ts`.
 *
 * @module
 */
import type { Transport } from "@connectrpc/connect";
import type { Endpoint } from "../endpoint.ts";
import type { SocketSnapshot } from "../snapshot.ts";

/** What a link reports to the connection it belongs to. Events concern the most recent `connect()` only. */
export interface LinkEvents {
  /**
   * The server asked for no new calls (GOAWAY), or the link decided to send none; calls in flight continue. The next
   * `connect()` opens a new connection beside them, and nothing more is reported about the draining one. `goaway`: the
   * name of the server's error code, such as `NO_ERROR`; undefined if it sent none.
   */
  draining(goaway?: string): void;
  /** The link was lost. No cause: it ended normally (idle timeout). */
  lost(cause?: Error): void;
  /**
   * The link's `room` was 0 and no longer is. If this is given, calls wait for room at the link's owner, which gives
   * them to whichever link has room first. `grpcConnector`'s links then queue no calls: one that arrives anyway is
   * returned to the owner and does not count as an attempt.
   */
  room?(): void;
  /** The server treats keepalive pings without open calls as abuse (etcd): the link sends none then. */
  readonly pingsNeedCalls?: boolean;
}

/**
 * What a connector creates for an endpoint: a Connect Transport plus its lifecycle.
 *
 * Its transport marks the errors of attempts that it knows were not processed (`markAttempt`).
 */
export interface Link {
  /** Makes the calls. */
  readonly transport: Transport;
  /**
   * Makes calls that nobody waits for: those of policies and health checks to its server alone. As `transport`, except
   * that they do not keep the process alive, and that they end when the connection drains, with `giveBack` and with
   * `close`. Without it, such calls go over `transport`, are aborted then, and may keep the process alive. A link that
   * wraps another forwards it.
   */
  readonly background?: Transport | undefined;
  /**
   * How many more calls the server allows for now (HTTP/2's MAX_CONCURRENT_STREAMS); 0 or less: the link is full. It is
   * read at every pick. Undefined: there is always room. A link that wraps another forwards it.
   */
  readonly room?: number | undefined;
  /** `grpc`: attempts after the first carry `grpc-previous-rpc-attempts` (gRFC A6). */
  readonly protocol?: "grpc";
  /**
   * Opens the link; resolves when the server accepts calls. Called again after `draining` or `lost`. Rejects when it
   * can't be opened or when `signal` aborts; the link limits how long it may take.
   *
   * A link without `connect` has no states (fetch): it counts as ready until an attempt is not sent, or loses its
   * connection: its error is marked `maybe-processed` and has the code Unavailable.
   */
  connect?(signal: AbortSignal): Promise<void>;
  /**
   * The endpoint was removed from the set: fails calls that were not sent yet with the mark `not-sent`, so that they go
   * elsewhere, and ends those of `background`. Others in flight continue, and more may follow, since the endpoint may be back before `close`.
   */
  giveBack?(): void;
  /** The connections that are open now, for snapshots. Without it, nothing is known of them. */
  sockets?(): readonly SocketSnapshot[];
  /**
   * Accepts no new calls, gives those in flight `graceMs` to finish (default 0; streams `streamGraceMs`, default
   * `graceMs`; Infinity: no limit), then ends them. Resolves when everything is closed; never rejects.
   */
  close(graceMs?: number, streamGraceMs?: number): Promise<void>;
}

/** Creates the link of an endpoint. Called once per connection; it opens nothing by itself. */
export interface Connector {
  (endpoint: Endpoint, events: LinkEvents): Link;
  /** What its links speak, for observers. Undefined: not known, and taken for gRPC. */
  readonly protocol?: RpcProtocol | undefined;
}

/** The protocol of calls. */
export type RpcProtocol = "grpc" | "grpc-web" | "connect";
