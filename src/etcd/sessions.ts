import { type Endpoint, endpointIdentity } from "../endpoint.ts";

/** What a driver keeps open to one etcd endpoint. */
export interface Session {
  /** Ends it, and what is on it. Never rejects. */
  close(): Promise<void>;
}

/** A driver's sessions: one to each endpoint, made when first used, and another after a reset. */
export class Sessions<S extends Session> {
  readonly #create: (endpoint: Endpoint, lost: () => void) => S;
  readonly #sessions = new Map<string, { readonly session: S; readonly generation: number }>();
  #generations = 0;
  #closed = false;
  #onLost: ((endpoint: Endpoint) => void) | undefined;

  /** `create` opens nothing by itself; its session calls `lost` whenever a connection that was open is gone. */
  constructor(create: (endpoint: Endpoint, lost: () => void) => S) {
    this.#create = create;
  }

  session(endpoint: Endpoint): S {
    if (this.#closed) throw new Error("the etcd driver is closed");
    return this.#numbered(endpoint).session;
  }

  generation(endpoint: Endpoint): number {
    return this.#numbered(endpoint).generation;
  }

  reset(endpoint: Endpoint, generation: number): void {
    const identity = endpointIdentity(endpoint);
    const numbered = this.#sessions.get(identity);
    if (numbered?.generation !== generation) return;
    this.#sessions.delete(identity);
    void numbered.session.close();
  }

  onLost(listener: (endpoint: Endpoint) => void): void {
    this.#onLost = listener;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const sessions = [...this.#sessions.values()];
    this.#sessions.clear();
    await Promise.all(sessions.map(({ session }) => session.close()));
  }

  #numbered(endpoint: Endpoint): { readonly session: S; readonly generation: number } {
    const identity = endpointIdentity(endpoint);
    let numbered = this.#sessions.get(identity);
    if (numbered === undefined) {
      const session = this.#create(endpoint, () => this.#onLost?.(endpoint));
      numbered = { session, generation: ++this.#generations };
      this.#sessions.set(identity, numbered);
    }
    return numbered;
  }
}
