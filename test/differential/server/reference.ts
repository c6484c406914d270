// The server that ours is compared with, connect-node's, on a port for each of OPTIONS. Prints them as a line of JSON.
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { differentialRoutes, OPTIONS } from "./routes.ts";

const ports: Record<string, number> = {};
for (const [name, options] of Object.entries(OPTIONS)) {
  const server = createServer(connectNodeAdapter({ routes: differentialRoutes, ...options }));
  server.on("session", (session) => session.on("error", () => {}));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ports[name] = (server.address() as AddressInfo).port;
}
console.log(JSON.stringify(ports));
// A rejected write of its adapter's, to a client that has left, must not end it.
process.on("unhandledRejection", () => {});
// Ends with the process that started it, also when that is killed.
process.stdin.on("end", () => process.exit(0)).resume();
