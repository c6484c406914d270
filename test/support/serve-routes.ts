// Serves Connect routes on a loopback port, over HTTP/2 without TLS.
import { createServer, type ServerHttp2Session } from "node:http2";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import type { ConnectRouter } from "@connectrpc/connect";

export interface Served {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly port: number;
  /** Stops listening and ends all connections. Safe to call twice. */
  close(): Promise<void>;
}

/** Serves on a port that the kernel chooses, or on a given one (0: the kernel chooses). */
export async function serveRoutes(routes: (router: ConnectRouter) => void, port = 0): Promise<Served> {
  const server = createServer(connectNodeAdapter({ routes }));
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
    session.on("error", () => {});
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const taken = (server.address() as { port: number }).port;
  return {
    url: `http://127.0.0.1:${taken}`,
    port: taken,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      // With an error: without one, streams would seem to have ended well.
      for (const session of sessions) session.destroy(new Error("the test's server was closed"));
      await closed;
    },
  };
}
