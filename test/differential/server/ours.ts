// This library's servers for the comparison, one for each of OPTIONS, in this process.
import { createGrpcServer } from "../../../src/server.ts";
import { differentialRoutes, OPTIONS, type OptionsName } from "./routes.ts";

export interface Ours {
  readonly ports: Readonly<Record<OptionsName, number>>;
  close(): Promise<void>;
}

export async function serveOurs(): Promise<Ours> {
  const ports: Partial<Record<OptionsName, number>> = {};
  const servers: { closeAllConnections(): void; close(): Promise<void> }[] = [];
  for (const name of Object.keys(OPTIONS) as OptionsName[]) {
    // What handlers throw on purpose is not to be printed.
    const server = createGrpcServer({ routes: differentialRoutes, onError: () => {}, ...OPTIONS[name] });
    ports[name] = (await server.listen({ host: "127.0.0.1", port: 0 })).port;
    servers.push(server);
  }
  return {
    ports: ports as Record<OptionsName, number>,
    async close() {
      for (const server of servers) {
        server.closeAllConnections();
        await server.close();
      }
    },
  };
}
