import type { ConnectivityState } from "../connectivity.ts";
import { type Endpoint, endpointIdentity } from "../endpoint.ts";
import type { BackoffOptions } from "../time/backoff.ts";
import type { Clock, Timer } from "../time/clock.ts";
import { DEFAULT_CONNECT_BACKOFF } from "./connect-backoff.ts";
import type { ConnectionHost } from "./connection-host.ts";
import type { EndpointConnection } from "./endpoint-connection.ts";
import type { InFlightLimit } from "./in-flight-limit.ts";
import type { Connector } from "./link.ts";
import type { MakeConnection } from "./make-connection.ts";
import { OpeningLimit } from "./opening-limit.ts";
import { Pacer } from "./pacer.ts";
import { RetiredLinks } from "./retired-links.ts";

/** How long stateless links stay in use after the set became empty. */
const EMPTY_GRACE_MS = 30_000;

/** How long the unary calls in flight on a removed connection may take to finish. */
const REMOVED_GRACE_MS = 30_000;

/** How many connections are opened at the same time; the others wait their turn. */
const MAX_OPENING = 64;

/** Options of {@link Pool}, and the listeners it notifies. */
export interface PoolOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly connector: Connector;
  readonly makeConnection: MakeConnection;
  readonly backoff?: BackoffOptions;
  /** How long streams on a removed connection may continue, in milliseconds. Defaults to Infinity. */
  readonly removedStreamGraceMs?: number | undefined;
  /** How many attempts may be in flight; undefined: any number. */
  readonly limit?: InFlightLimit | undefined;
  /** The connections or their states changed, in address order. Called at most every 20 ms; see {@link Pool}. */
  onChange(connections: readonly EndpointConnection[]): void;
  onSet?(added: readonly Endpoint[], removed: readonly Endpoint[], total: number): void;
  onState?(connection: EndpointConnection, from: ConnectivityState, cause: Error | undefined): void;
  /** A connection became available, or has room again; called immediately, since no new picker is needed. */
  onRoom?(connection: EndpointConnection): void;
}

/**
 * Keeps one connection per endpoint. A new set is reconciled with the current one: an endpoint that stays keeps its
 * connection, statistics and place; a removed one finishes its calls; one that returns before that is restored.
 *
 * It sets the pace of everything above it: the first change is reported immediately, and those of the next 20 ms
 * together. Only the first connection that becomes usable when none was is always reported immediately, because calls
 * wait for it.
 */
export class Pool {
  readonly #options: PoolOptions;
  readonly #host: ConnectionHost<EndpointConnection>;
  /** In use, by identity, sorted by it (an identity begins with the address). */
  #connections: readonly EndpointConnection[] = [];
  /** Those of `#connections` that are no longer in the set: it is empty, and they are the last resort. */
  readonly #lastResort = new Set<EndpointConnection>();
  /** Removed, with calls still in flight; they can be restored. */
  readonly #draining = new Map<string, EndpointConnection>();
  /** Removed for good: their links are closing, and streams may use the rest of their grace period. */
  readonly #closing = new Set<EndpointConnection>();
  /** Those of connections that were disconnected. */
  readonly #retired = new RetiredLinks();
  #byIdentity = new Map<string, EndpointConnection>();
  #pending: readonly Endpoint[] | undefined;
  /** Whether the listener knows of a usable connection, or is about to be notified. */
  #hadUsable = false;
  #emptyGrace: Timer | undefined;
  /** The set has been empty for so long that stateless links are dropped. */
  #emptyGraceOver = false;
  readonly #openings = new OpeningLimit(MAX_OPENING);
  /** Runs `#flush`. */
  readonly #pacer: Pacer;
  /** How long calls in flight may take to finish; undefined while the pool is open. */
  #closeGraceMs: number | undefined;
  /** The closing of connections that `close` could not know. */
  #closedLate: Promise<void>[] = [];

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#pacer = new Pacer(options.clock, () => this.#flush());
    this.#host = {
      successes: 0,
      backoff: DEFAULT_CONNECT_BACKOFF,
      ...options,
      admit: (open) => this.#openings.admit(open),
      changed: (connection, from, cause) => this.#changed(connection, from, cause),
      touched: (connection) => this.#touched(connection),
      room: (connection) => options.onRoom?.(connection),
      retire: (link) => this.#retired.add(link, REMOVED_GRACE_MS, this.#streamGraceMs),
    };
  }

  /** The connections in use, in address order. */
  get connections(): readonly EndpointConnection[] {
    return this.#connections;
  }

  /** How many attempts have ever succeeded on all connections. */
  get successes(): number {
    return this.#host.successes;
  }

  /** Whether it has been given a set that is not in use yet. */
  get updating(): boolean {
    return this.#pending !== undefined;
  }

  /** Takes the newest full set. */
  update(endpoints: readonly Endpoint[]): void {
    this.#pending = endpoints;
    this.#pacer.request();
  }

  /** Notifies the listener of the current connections, as if one of them had changed. */
  touch(): void {
    this.#pacer.request();
  }

  /** Releases every connection, as if the pool had just been created; the listener is not notified. */
  reset(): void {
    const all = this.#connections;
    this.#pacer.stop();
    this.#endEmptyGrace();
    this.#pending = undefined;
    this.#lastResort.clear();
    this.#use(new Map());
    for (const connection of all) this.#release(connection);
    this.#pacer.restart();
  }

  /** Closes all links; calls in flight have `graceMs` to finish. */
  async close(graceMs: number): Promise<void> {
    this.#closeGraceMs = graceMs;
    this.#pacer.stop();
    this.#endEmptyGrace();
    const all = [...this.#connections, ...this.#draining.values(), ...this.#closing];
    await Promise.all([...all.map((connection) => connection.close(graceMs)), this.#retired.close(graceMs)]);
    await Promise.all(this.#closedLate);
  }

  get #streamGraceMs(): number {
    return this.#options.removedStreamGraceMs ?? Infinity;
  }

  get #closed(): boolean {
    return this.#closeGraceMs !== undefined;
  }

  #endEmptyGrace(): void {
    this.#emptyGrace?.cancel();
    this.#emptyGrace = undefined;
    this.#emptyGraceOver = false;
  }

  #changed(connection: EndpointConnection, from: ConnectivityState, cause: Error | undefined): void {
    if (this.#closed) return;
    this.#options.onState?.(connection, from, cause);
    this.#touched(connection);
  }

  #touched(connection: EndpointConnection): void {
    // Calls wait for the first connection that becomes usable.
    if (connection.usable && !this.#hadUsable) this.#pacer.requestUrgently();
    else this.#pacer.request();
    if (connection.available) this.#options.onRoom?.(connection);
  }

  #flush(): void {
    this.#hadUsable = true;
    const removed = this.#reconcile();
    if (!this.#closed) {
      this.#hadUsable = this.#connections.some((connection) => connection.usable);
      this.#options.onChange(this.#connections);
    }
    if (this.#closed) return this.#closeLate(removed);
    // The new picker is in use before an old connection is released.
    for (const connection of removed) this.#release(connection);
  }

  /** A listener or the policy closed the pool during a flush: closes the connections that were new, or removed. */
  #closeLate(removed: readonly EndpointConnection[]): void {
    const open = [...this.#connections, ...removed].filter((connection) => !connection.closed);
    this.#closedLate = open.map((connection) => connection.close(this.#closeGraceMs!));
  }

  /** Applies the pending set to `#connections`; returns the removed ones. */
  #reconcile(): EndpointConnection[] {
    const endpoints = this.#pending;
    this.#pending = undefined;
    if (endpoints === undefined) return this.#dropSpentLastResort();
    if (endpoints.length === 0) return this.#emptied();
    this.#endEmptyGrace();
    this.#lastResort.clear();

    const next = new Map<string, EndpointConnection>();
    const added: Endpoint[] = [];
    for (const endpoint of endpoints) {
      const identity = endpointIdentity(endpoint);
      if (next.has(identity)) continue;
      let connection = this.#byIdentity.get(identity);
      if (connection !== undefined) {
        connection.update(endpoint);
      } else if ((connection = this.#draining.get(identity)) !== undefined) {
        this.#draining.delete(identity);
        connection.restore(endpoint);
        added.push(endpoint);
      } else {
        connection = this.#options.makeConnection(endpoint, this.#host);
        added.push(endpoint);
      }
      connection.place = next.size;
      next.set(identity, connection);
    }
    const removed = this.#connections.filter((connection) => !next.has(connection.identity));
    this.#use(next);
    this.#reportSet(added, removed);
    return removed;
  }

  /** An empty set may be the registry's fault: working connections are kept as a last resort. */
  #emptied(): EndpointConnection[] {
    const removed: EndpointConnection[] = [];
    for (const connection of this.#connections) {
      if (connection.state === "ready" && !this.#isSpent(connection)) this.#lastResort.add(connection);
      else removed.push(connection);
    }
    if ([...this.#lastResort].some((connection) => connection.stateless)) {
      this.#emptyGrace ??= this.#options.clock.timer(EMPTY_GRACE_MS, () => {
        this.#emptyGraceOver = true;
        this.#pacer.request();
      });
    }
    this.#without(removed);
    return removed;
  }

  #dropSpentLastResort(): EndpointConnection[] {
    const spent = [...this.#lastResort].filter((connection) =>
      connection.state !== "ready" || this.#isSpent(connection)
    );
    for (const connection of spent) this.#lastResort.delete(connection);
    this.#without(spent);
    return spent;
  }

  #isSpent(connection: EndpointConnection): boolean {
    return this.#emptyGraceOver && connection.stateless;
  }

  #without(removed: readonly EndpointConnection[]): void {
    if (removed.length === 0) return;
    const next = new Map(this.#byIdentity);
    for (const connection of removed) next.delete(connection.identity);
    this.#use(next);
    this.#reportSet([], removed);
  }

  #use(connections: Map<string, EndpointConnection>): void {
    this.#byIdentity = connections;
    this.#connections = [...connections.keys()].sort().map((identity) => connections.get(identity)!);
  }

  #reportSet(added: readonly Endpoint[], removed: readonly EndpointConnection[]): void {
    if (added.length + removed.length === 0) return;
    this.#options.onSet?.(added, removed.map((connection) => connection.endpoint), this.#connections.length);
  }

  #release(connection: EndpointConnection): void {
    this.#draining.set(connection.identity, connection);
    connection.remove(REMOVED_GRACE_MS, this.#streamGraceMs, (closed) => {
      this.#draining.delete(connection.identity);
      this.#closing.add(connection);
      void closed.then(() => this.#closing.delete(connection));
    });
  }
}
