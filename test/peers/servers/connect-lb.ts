// A server of the demo service on this library: `connect-lb.ts [--port <port>] [--tls] [--mtls]`. Prints its port.
import process from "node:process";
import { parseArgs } from "node:util";
import { createGrpcServer, shutdown } from "../../../src/server.ts";
import { ca, server as identity } from "../../support/tls.ts";
import { demoRoutes } from "./routes.ts";

const { values: options } = parseArgs({
  options: { port: { type: "string", default: "0" }, tls: { type: "boolean" }, mtls: { type: "boolean" } },
});

const server = createGrpcServer({
  routes: demoRoutes,
  // Beyond the defaults, because peers try messages of 10 MiB and 2,000 streams at once.
  readMaxBytes: 2 ** 24,
  limits: { maxConcurrentStreams: 2_000 },
  ...((options.tls || options.mtls) && { tls: { ...identity, ...(options.mtls && { ca }) } }),
});
const { port } = await server.listen({ host: "127.0.0.1", port: Number(options.port) });
console.log(`port ${port}`);
process.once("SIGTERM", () => void shutdown(server).then(() => process.exit(0)));
