import { createServer, type Server, type Socket } from "node:net";
import { ClientLeft } from "./client-left.ts";
import { RawSession } from "./session.ts";

/** What a scripted server does on each connection. What it throws is kept for {@link RawServer.close}. */
export type Scenario = (session: RawSession, index: number) => void | Promise<void>;

/** A scripted server that listens. */
export interface RawServer {
  readonly port: number;
  /** `127.0.0.1:port`. */
  readonly address: string;
  /** Every connection so far, oldest first. */
  readonly sessions: readonly RawSession[];
  /** Ends all connections and stops listening. Rejects with what a scenario threw, save for "the client left". */
  close(): Promise<void>;
}

/** Starts a server on a free port of 127.0.0.1 that plays `scenario` on each connection. */
export async function startRawServer(scenario: Scenario): Promise<RawServer> {
  const sessions: RawSession[] = [];
  const failures: unknown[] = [];
  // Half-open sockets are wanted: the scenario decides when this side ends.
  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, (socket: Socket) => {
    const session = new RawSession(socket);
    sessions.push(session);
    void (async () => {
      try {
        await scenario(session, sessions.length - 1);
      } catch (error) {
        if (!(error instanceof ClientLeft)) failures.push(error);
      }
    })();
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as { port: number };
  return {
    port,
    address: `127.0.0.1:${port}`,
    sessions,
    async close() {
      for (const session of sessions) session.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      if (failures.length > 0) throw failures[0];
    },
  };
}
