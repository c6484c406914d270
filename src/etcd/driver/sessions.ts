import { type Endpoint, endpointIdentity } from "../../endpoint.ts";

/** A driver's session with one etcd endpoint. */
export interface Session {
  /** Takes no new calls; closes once its calls have ended. Never rejects. */
  retire(): Promise<void>;
  /** Closes it together with its calls. Never rejects. */
  close(): Promise<void>;
}

/** The events of a session. */
export interface SessionEvents {
  /** Its connection is open. Optional for sessions that can't observe their connections. */
  opened(): void;
  /** An open connection was lost, or must not be used any more. */
  lost(): void;
}

/** A session that accepts calls. */
interface Current<S> {
  readonly session: S;
  generation: number;
  readonly retirement: AbortController;
}

/** A driver's sessions: one for each endpoint, created on first use and again after a reset. */
export class Sessions<S extends Session> {
  readonly #create: (endpoint: Endpoint, events: SessionEvents) => S;
  readonly #sessions = new Map<string, Current<S>>();
  /** Sessions that were given up but still have calls. */
  readonly #retired = new Set<S>();
  #generations = 0;
  #closed = false;
  #onLost: ((endpoint: Endpoint) => void) | undefined;

  /** `create` must not open a connection by itself. */
  constructor(create: (endpoint: Endpoint, events: SessionEvents) => S) {
    this.#create = create;
  }

  session(endpoint: Endpoint): S {
    if (this.#closed) throw new Error("the etcd driver is closed");
    return this.#numbered(endpoint).session;
  }

  generation(endpoint: Endpoint): number {
    return this.#numbered(endpoint).generation;
  }

  /** Aborts when the endpoint's current session is given up, for calls that must not outlive it. */
  retirement(endpoint: Endpoint): AbortSignal {
    return this.#closed ? AbortSignal.abort() : this.#numbered(endpoint).retirement.signal;
  }

  reset(endpoint: Endpoint, generation: number): void {
    const identity = endpointIdentity(endpoint);
    const numbered = this.#sessions.get(identity);
    if (numbered?.generation !== generation) return;
    const { session, retirement } = numbered;
    this.#sessions.delete(identity);
    this.#retired.add(session);
    retirement.abort(new Error("the session with etcd was abandoned"));
    void session.retire().then(() => this.#retired.delete(session));
  }

  onLost(listener: (endpoint: Endpoint) => void): void {
    this.#onLost = listener;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const sessions = [...[...this.#sessions.values()].map(({ session }) => session), ...this.#retired];
    this.#sessions.clear();
    await Promise.all(sessions.map((session) => session.close()));
  }

  #numbered(endpoint: Endpoint): Current<S> {
    const identity = endpointIdentity(endpoint);
    let numbered = this.#sessions.get(identity);
    if (numbered === undefined) {
      const session = this.#create(endpoint, {
        // A session that did not answer while it was being opened may answer now.
        opened: () => (fresh.generation = ++this.#generations),
        lost: () => this.#onLost?.(endpoint),
      });
      const fresh = numbered = { session, generation: ++this.#generations, retirement: new AbortController() };
      this.#sessions.set(identity, numbered);
    }
    return numbered;
  }
}
