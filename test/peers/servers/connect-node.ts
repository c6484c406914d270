// A server of the demo service on connect-node: `connect-node.ts [--port <port>] [--tls] [--mtls]`. Prints its port.
import { createSecureServer, createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { parseArgs } from "node:util";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { ca, server as identity } from "../../support/tls.ts";
import { demoRoutes } from "./routes.ts";

const { values: options } = parseArgs({
  options: { port: { type: "string", default: "0" }, tls: { type: "boolean" }, mtls: { type: "boolean" } },
});

const handler = connectNodeAdapter({
  routes: demoRoutes,
  // Says something at every other path, because a client can see windows only with content.
  fallback(_, response) {
    response.writeHead(404, { "content-type": "text/plain" });
    response.end("not found\n");
  },
});
const server = options.tls || options.mtls
  ? createSecureServer({ ...identity, ca, requestCert: options.mtls, rejectUnauthorized: options.mtls }, handler)
  : createServer(handler);
server.on("session", (session) => session.on("error", () => {}));
server.listen(Number(options.port), "127.0.0.1", () => console.log(`port ${(server.address() as AddressInfo).port}`));
process.once("SIGTERM", () => {
  server.close(() => process.exit(0));
  // A server on Bun waits for its clients to close their side.
  setTimeout(() => process.exit(0), 2_000).unref();
});
