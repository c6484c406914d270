import type { Transport } from "@connectrpc/connect";
import type { Connector, Link } from "../connection/link.ts";
import { type Endpoint, endpointIdentity } from "../endpoint.ts";
import { untilAborted } from "../time/until-aborted.ts";

/** One link to an etcd endpoint. */
interface Session {
  readonly generation: number;
  readonly link: Link;
  /** Set while the link is open or being opened. */
  opened: Promise<void> | undefined;
  /** Ends an opening that nobody waits for any more. */
  readonly abandon: AbortController;
}

/** The sessions to etcd's endpoints: one each, opened when first used and again when it was lost. */
export class Sessions {
  readonly #connector: Connector;
  readonly #sessions = new Map<string, Session>();
  #generations = 0;
  #closed = false;

  constructor(connector: Connector) {
    this.#connector = connector;
  }

  /** The transport of the endpoint's session, once that is open. Rejects when it can't be opened or `signal` aborts. */
  async transport(endpoint: Endpoint, signal: AbortSignal): Promise<Transport> {
    if (this.#closed) throw new Error("the etcd driver is closed");
    const session = this.#session(endpoint);
    const { link } = session;
    if (link.connect !== undefined) {
      session.opened ??= this.#open(session, link.connect(session.abandon.signal));
      await untilAborted(session.opened, signal);
    }
    return link.transport;
  }

  generation(endpoint: Endpoint): number {
    return this.#session(endpoint).generation;
  }

  reset(endpoint: Endpoint, generation: number): void {
    const identity = endpointIdentity(endpoint);
    const session = this.#sessions.get(identity);
    if (session?.generation !== generation) return;
    this.#sessions.delete(identity);
    void end(session);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const sessions = [...this.#sessions.values()];
    this.#sessions.clear();
    await Promise.all(sessions.map(end));
  }

  #session(endpoint: Endpoint): Session {
    const identity = endpointIdentity(endpoint);
    let session = this.#sessions.get(identity);
    if (session === undefined) {
      const lost = () => {
        if (session !== undefined) session.opened = undefined;
      };
      const link = this.#connector(endpoint, { draining: lost, lost });
      session = { generation: ++this.#generations, link, opened: undefined, abandon: new AbortController() };
      this.#sessions.set(identity, session);
    }
    return session;
  }

  /** What was opened counts until it fails to open or is lost. */
  #open(session: Session, opening: Promise<void>): Promise<void> {
    const opened: Promise<void> = opening.catch((error) => {
      if (session.opened === opened) session.opened = undefined;
      throw error;
    });
    return opened;
  }
}

async function end(session: Session): Promise<void> {
  session.abandon.abort(new Error("the session to etcd was given up"));
  await session.link.close();
}
