import { isWildcardHost } from "../../endpoint.ts";
import { grpcHealth } from "../../health/grpc-health.ts";
import { lookAsideBalancer } from "../../look-aside.ts";
import { grpcConnector } from "../../node/grpc-connector.ts";
import type { Registry } from "../../registry/registry.ts";
import { createGrpcServer, shutdown } from "../../server.ts";
import { type Command, defineCommand } from "../command.ts";
import { ETCD_OPTIONS } from "../etcd-options.ts";
import { EXIT } from "../exit.ts";
import { LISTEN_TLS_OPTIONS, listenTls } from "../listen-tls.ts";
import { cantListen } from "../listening.ts";
import { etcdTarget } from "../read-etcd-options.ts";
import { sayIfUnreachable } from "../say-if-unreachable.ts";
import { sayOfSet } from "../say-of-set.ts";
import { SERVER_OPTIONS, serverTls } from "../server-options.ts";
import { untilAborted } from "../until-aborted.ts";
import { durationMs, listenAddress } from "../values.ts";

const OPTIONS = {
  listen: {
    type: "string",
    value: "ADDR",
    help: "where to listen: host:port, or a port of 127.0.0.1; port 0 takes a free one",
    default: "127.0.0.1:8383",
  },
  interval: { type: "string", value: "DURATION", help: "how often servers are asked for their load", default: "5s" },
  drain: {
    type: "string",
    value: "DURATION",
    help: "how long calls may take to finish after SIGTERM",
    default: "10s",
  },
  ...LISTEN_TLS_OPTIONS,
  ...SERVER_OPTIONS,
  ...ETCD_OPTIONS,
} as const;

/** `connect-lb balancer`: a look-aside balancer over etcd. */
export const balancer: Command = defineCommand({
  name: "balancer",
  summary: "tell clients in any language which servers to call: a look-aside balancer",
  examples: [
    { line: "balancer --listen 0.0.0.0:8383", does: "for all services in etcd" },
    { line: "balancer orders users", does: "for these only, on 127.0.0.1:8383" },
  ],
  description: [
    "It speaks the protocol of bsm/grpclb: clients ask for a service, by grpclb.balancer.v1.LoadBalancer/Servers, and get " +
    "the servers that can be called, the least loaded first. Servers that can't be reached, or that say they are not " +
    "serving (grpc.health.v1), are left out.",
    "A server's score is what it reports by grpclb.backend.v1.LoadReport, else its utilization in percent as ORCA " +
    "reports it, else 0. The balancer has grpc.health.v1 and reflection itself.",
  ],
  args: [{ name: "SERVICE", optional: true, many: true, complete: "service" }],
  options: OPTIONS,
  serves: true,
  async run(context) {
    const { options, args, io, signal } = context;
    const where = listenAddress(["--listen", options.listen]);
    const target = etcdTarget(context);
    for (const service of args) target.checkService(service);
    const tls = listenTls(context);
    const connector = grpcConnector({ tls: serverTls(context) });
    const intervalMs = durationMs(["--interval", options.interval], { least: 100, most: 3_600_000 });
    const drainMs = durationMs(["--drain", options.drain], { least: 1 });
    const registry: Registry = target.registry((event) => sayOfSet(context, registry, event));
    const lookAside = lookAsideBalancer({
      resolver: (service) => args.length === 0 || args.includes(service) ? registry.resolver(service) : undefined,
      connector,
      health: [grpcHealth()],
      intervalMs,
    });
    const server = createGrpcServer({ routes: lookAside.routes, tls, health: true, reflection: true });
    try {
      const { address } = await server.listen(where).catch((error: NodeJS.ErrnoException) => {
        throw cantListen(options.listen, error, "another port: --listen 127.0.0.1:0");
      });
      io.stdout.write(`${isWildcardHost(where.host) ? `127.0.0.1:${address.split(":").at(-1)}` : address}\n`);
      await sayIfUnreachable(context, target, registry);
      await untilAborted(signal);
      return EXIT.ok;
    } finally {
      await shutdown(server, { drainMs });
      await lookAside.close();
      await registry.close();
    }
  },
});
