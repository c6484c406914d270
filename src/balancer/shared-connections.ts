import type { Connection } from "../connection/connection.ts";
import type { EndpointConnection } from "../connection/endpoint-connection.ts";
import { ConnectionView } from "../policy/view.ts";

/** The connections of a pool as one of the policies that share them sees them: each says for itself what it wants. */
export class SharedConnections {
  #from: readonly EndpointConnection[] = [];
  #views = new Map<EndpointConnection, SharedConnection>();
  #shown: readonly Connection[] = [];
  #released = false;

  get released(): boolean {
    return this.#released;
  }

  /** Another list only if the set has changed, as policies expect. */
  show(connections: readonly EndpointConnection[]): readonly Connection[] {
    if (connections === this.#from) return this.#shown;
    const before = this.#views;
    this.#from = connections;
    this.#views = new Map(
      connections.map((connection) => [connection, before.get(connection) ?? new SharedConnection(connection, this)]),
    );
    return this.#shown = [...this.#views.values()];
  }

  /** As the policy knows the connection. */
  of(connection: EndpointConnection): Connection {
    return this.#views.get(connection) ?? connection;
  }

  /** Whether all that the policy wants is still being opened. */
  get opening(): boolean {
    let opening = false;
    for (const { wanted, state } of this.#views.values()) {
      if (wanted && state === "ready") return false;
      opening ||= wanted && state === "connecting";
    }
    return opening;
  }

  /** The policy wants none of them any more, for good. */
  release(): void {
    this.#released = true;
    for (const view of this.#views.values()) view.disconnect();
  }
}

/** A connection as one of the policies that share it sees it. */
class SharedConnection extends ConnectionView {
  readonly #connection: EndpointConnection;
  readonly #all: SharedConnections;
  /** Whether the policy wants it. */
  wanted = false;

  constructor(connection: EndpointConnection, all: SharedConnections) {
    super(connection, {});
    this.#connection = connection;
    this.#all = all;
  }

  override connect(): void {
    if (this.#all.released) return;
    this.wanted = true;
    this.#connection.wantedBy(this.#all);
  }

  override disconnect(): void {
    this.wanted = false;
    this.#connection.unwantedBy(this.#all);
  }
}
