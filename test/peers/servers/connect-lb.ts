// A server of the demo service on this library: `connect-lb.ts [--port <port>] [--tls] [--mtls] [--drain-ms <ms>]`. Prints its
// port, and `drained` or `cut` when SIGTERM has ended it.
import process from "node:process";
import { parseArgs } from "node:util";
import { createGrpcServer, shutdown } from "../../../src/server.ts";
import { ca, server as identity } from "../../support/tls.ts";
import { demoRoutes } from "./routes.ts";

const { values: options } = parseArgs({
  options: {
    port: { type: "string", default: "0" },
    tls: { type: "boolean" },
    mtls: { type: "boolean" },
    "drain-ms": { type: "string", default: "10000" },
  },
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
process.once("SIGTERM", async () => {
  const drained = await shutdown(server, { drainMs: Number(options["drain-ms"]) });
  console.log(drained ? "drained" : "cut");
  // Nothing that holds it may be left: it must end by itself.
  process.stdin.destroy();
});
