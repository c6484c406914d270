import type { Connection } from "../connection/connection.ts";
import { EndpointConnection } from "../connection/endpoint-connection.ts";
import type { ConnectivityState } from "../connectivity.ts";
import type { Endpoint } from "../endpoint.ts";

/** What a view overrides. Read on every access, so getters may return a new value each time. */
export interface ConnectionChange {
  /** `false` holds the connection back. It can't make one available that is not. */
  readonly available?: boolean;
  /** Other attributes, such as a weight. Address, `secure` and `authority` must stay the same. */
  readonly endpoint?: Endpoint;
}

/** The connection behind each view. */
const viewed = new WeakMap<object, Connection>();

/**
 * Presents a connection to a decorated policy with some changes. That policy's picker may pick the view, and its `done`
 * is called with the view. Reuse a connection's view rather than creating one for each picker: policies may keep state
 * by connection.
 */
export function view(connection: Connection, change: ConnectionChange): Connection {
  return new ConnectionView(connection, change);
}

/** See {@link view}. */
export class ConnectionView implements Connection {
  readonly #change: ConnectionChange;
  readonly #connection: Connection;

  constructor(connection: Connection, change: ConnectionChange) {
    this.#connection = connection;
    this.#change = change;
    viewed.set(this, connection);
  }

  get endpoint(): Endpoint {
    return this.#change.endpoint ?? this.#connection.endpoint;
  }

  get state(): ConnectivityState {
    return this.#connection.state;
  }

  get available(): boolean {
    return this.#connection.available && this.#change.available !== false;
  }

  get inFlight(): number {
    return this.#connection.inFlight;
  }

  get failure(): Error | undefined {
    return this.#connection.failure;
  }

  get place(): number {
    return this.#connection.place;
  }

  connect(): void {
    this.#connection.connect();
  }

  disconnect(): void {
    this.#connection.disconnect();
  }
}

/** The pool's connection behind what was picked: itself, or that of a view, however deeply nested. */
export function connectionBehind(picked: unknown): EndpointConnection | undefined {
  for (let at = picked; at !== undefined; at = viewed.get(at as object)) {
    if (at instanceof EndpointConnection) return at;
  }
  return undefined;
}
