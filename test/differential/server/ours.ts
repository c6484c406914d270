// This library's servers for the comparison, one for each of OPTIONS, in this process.
import { createServer } from "node:http2";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { differentialRoutes, OPTIONS, type OptionsName } from "./routes.ts";

export interface Ours {
  readonly ports: Readonly<Record<OptionsName, number>>;
  close(): Promise<void>;
}

export async function serveOurs(): Promise<Ours> {
  const ports: Partial<Record<OptionsName, number>> = {};
  const servers: { close(): void }[] = [];
  for (const [name, options] of Object.entries(OPTIONS)) {
    const server = createServer(connectNodeAdapter({ routes: differentialRoutes, ...options }));
    server.on("session", (session) => session.on("error", () => {}));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    ports[name as OptionsName] = (server.address() as { port: number }).port;
    servers.push(server);
  }
  return {
    ports: ports as Record<OptionsName, number>,
    async close() {
      for (const s of servers) s.close();
    },
  };
}
