import type { Connection } from "../connection/connection.ts";
import { EndpointConnection } from "../connection/endpoint-connection.ts";
import type { ConnectivityState } from "../connectivity.ts";
import type { Endpoint } from "../endpoint.ts";

/** What a view shows instead of the connection's own. Read at each look, so that getters may answer anew each time. */
export interface ConnectionChange {
  /** `false` holds the connection back. It can't make one available that is not. */
  readonly available?: boolean;
  /** Other attributes, such as a weight. Address, `secure` and `authority` must stay. */
  readonly endpoint?: Endpoint;
}

/** What each view stands for. */
const viewed = new WeakMap<object, Connection>();

/**
 * A connection as a decorated policy is to see it: with some changes. Its picker may pick it, and hears of the end of
 * the attempt with this object. Keep the view of a connection for as long as it is of use, rather than making another for
 * each picker: policies may note things by connection.
 */
export function view(connection: Connection, change: ConnectionChange): Connection {
  return new ConnectionView(connection, change);
}

class ConnectionView implements Connection {
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

  connect(): void {
    this.#connection.connect();
  }
}

/** The pool's connection that is meant: itself, or what a view, or a view of a view, stands for. */
export function connectionBehind(picked: unknown): EndpointConnection | undefined {
  for (let at = picked; at !== undefined; at = viewed.get(at as object)) {
    if (at instanceof EndpointConnection) return at;
  }
  return undefined;
}
