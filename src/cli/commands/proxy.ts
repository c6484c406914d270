import { isWildcardHost } from "../../endpoint.ts";
import { grpcHealth } from "../../health/grpc-health.ts";
import { grpcConnector } from "../../node/grpc-connector.ts";
import type { RegistryEvent } from "../../registry/event.ts";
import type { Registry } from "../../registry/registry.ts";
import { createProxy, type Proxy, type ProxyRoute, shutdown } from "../../server.ts";
import { type BalancedTransport, createBalancedTransport } from "../../transport/transport.ts";
import { POLICY_NAMES, policyNamed } from "../call/policies.ts";
import { type Command, type Context, defineCommand } from "../command.ts";
import { ETCD_OPTIONS } from "../etcd-options.ts";
import { EXIT, usageError } from "../exit.ts";
import { LISTEN_TLS_OPTIONS, listenTls } from "../listen-tls.ts";
import { cantListen, isLoopback } from "../listening.ts";
import { Admin } from "../proxy/admin.ts";
import { placesOf } from "../proxy/places.ts";
import { routeOf, type RouteText } from "../proxy/routes.ts";
import { etcdTarget } from "../read-etcd-options.ts";
import { sayIfUnreachable } from "../say-if-unreachable.ts";
import { sayOfSet } from "../say-of-set.ts";
import { SERVER_OPTIONS, serverTls } from "../server-options.ts";
import { untilAborted } from "../until-aborted.ts";
import { durationMs } from "../values.ts";

const OPTIONS = {
  listen: {
    type: "string",
    multiple: true,
    value: "ADDR",
    help: "where calls come in: host:port, or a port of 127.0.0.1; port 0 takes a free one; 127.0.0.1:9000 without it",
  },
  service: { type: "string", value: "NAME", help: "where calls go that no --route is for" },
  route: {
    type: "string",
    multiple: true,
    value: "WHAT",
    help:
      "which calls go to another service: authority=HOST, path=/PREFIX and port=PORT, as many of them as are needed, " +
      "and service=NAME, with commas between",
  },
  policy: {
    type: "string",
    value: "NAME",
    help: "which server a call goes to",
    choices: POLICY_NAMES,
    default: POLICY_NAMES[0]!,
  },
  health: {
    type: "string",
    value: "KIND",
    help: "grpc: calls go to servers alone whose grpc.health.v1 service says SERVING; none: to all that are connected",
    choices: ["grpc", "none"],
    default: "none",
  },
  idempotent: {
    type: "string",
    multiple: true,
    value: "METHOD",
    help: "a method that may be called again although a server may have processed the call, or all of a service: " +
      "/package.Service/Method, /package.Service",
  },
  json: { type: "boolean", help: "the servers speak application/grpc+json, so JSON of Connect is passed on to them" },
  cors: {
    type: "string",
    multiple: true,
    value: "ORIGIN",
    help: "the origin of pages that may call, such as https://app.example; * for all",
  },
  admin: {
    type: "string",
    value: "ADDR",
    help: "where to serve health, channelz, reflection, /metrics and the live page; nowhere without it",
  },
  drain: {
    type: "string",
    value: "DURATION",
    help: "how long calls may take to finish after SIGTERM",
    default: "30s",
  },
  ...LISTEN_TLS_OPTIONS,
  ...SERVER_OPTIONS,
  ...ETCD_OPTIONS,
} as const;

type ProxyContext = Context<typeof OPTIONS>;

/** `connect-lb proxy`: a proxy for gRPC before the servers of services. */
export const proxy: Command = defineCommand({
  name: "proxy",
  summary: "take calls of clients in any language on one address, and balance them over a service's servers",
  examples: [
    { line: "proxy --listen 0.0.0.0:9000 --service simple_grpc", does: "all calls go to one service" },
    {
      line: "proxy --route path=/proto.Simple,service=simple_grpc --route authority=api.example,service=api",
      does: "calls go where their method or their host says",
    },
    {
      line: "proxy --service simple_grpc --cors https://app.example --admin 9001",
      does: "browsers may call, too; see http://127.0.0.1:9001",
    },
  ],
  description: [
    "It speaks gRPC, and Connect and gRPC-Web over HTTP/2 and HTTP/1.1, and calls servers by gRPC. Each call goes to a " +
    "server of its own choice; a call that no server has processed goes to another one. Messages pass through unread.",
    "It listens while etcd can't be reached, and says so. After SIGTERM it takes no new connections, asks clients to go " +
    "elsewhere, and lets calls finish; a second signal ends it at once.",
  ],
  options: OPTIONS,
  serves: true,
  async run(context) {
    const { options, io, say, signal } = context;
    const texts = routesOf(context), places = placesOf(options, texts), target = etcdTarget(context);
    for (const { service } of texts) target.checkService(service);
    const tls = listenTls(context), drainMs = durationMs(["--drain", options.drain], { least: 1 });
    const connector = grpcConnector({ tls: serverTls(context) });
    const admin = places.admin && new Admin();
    const registry: Registry = target.registry((event: RegistryEvent) => {
      sayOfSet(context, registry, event);
      admin?.onEvent(event);
    });
    const services = new Map<string, BalancedTransport>();
    for (const { service } of texts) {
      if (services.has(service)) continue;
      const transport = createBalancedTransport({
        resolver: registry.resolver(service),
        connector,
        policy: policyNamed(options.policy),
        ...options.health === "grpc" && { health: [grpcHealth()] },
        ...admin !== undefined && { observers: [admin.observer] },
      });
      services.set(service, transport);
    }
    const closing: (() => Promise<unknown>)[] = [
      () => Promise.all([...services.values()].map((transport) => transport.close())),
      () => registry.close(),
    ];
    try {
      const made = proxyOf(context, texts, services, tls);
      closing.unshift(async () => {
        if (!await shutdown(made, { drainMs })) say(`calls that took longer than ${options.drain} were ended`);
      });
      for (const { text, where } of places.calls) {
        const { address } = await made.listen(where).catch((error: NodeJS.ErrnoException) => {
          throw cantListen(text, error, "another port: --listen 127.0.0.1:0");
        });
        io.stdout.write(`${shownAddress(where.host, address)}\n`);
      }
      if (admin !== undefined && places.admin !== undefined) {
        const { text, where } = places.admin;
        const hosts = isWildcardHost(where.host) || isLoopback(where.host) ? [] : [where.host];
        const { close, server } = admin.server({ proxy: made, services, registry, hosts });
        // Last, so that it shows how the proxy drains.
        closing.splice(1, 0, close);
        const { address } = await server.listen(where).catch((error: NodeJS.ErrnoException) => {
          throw cantListen(text, error, "another port: --admin 127.0.0.1:0");
        });
        if (!isLoopback(where.host)) say(`anyone who reaches ${address} can see how the proxy is used`);
        say(`admin at http://${shownAddress(where.host, address)}/`);
      }
      // Before the first call, so that it need not wait.
      for (const transport of services.values()) transport.connect({ signal }).catch(() => {});
      const known = await sayIfUnreachable(context, target, registry);
      for (const service of services.keys()) {
        if (known?.includes(service) === false) say(`no server of ${service} is registered yet`);
      }
      await untilAborted(signal);
      return EXIT.ok;
    } finally {
      for (const close of closing) await close();
    }
  },
});

function routesOf({ options: { route, service } }: ProxyContext): readonly RouteText[] {
  const routes = route.map(routeOf);
  if (service !== undefined) routes.push({ service });
  if (routes.length > 0) return routes;
  throw usageError(
    "there is no service for calls to go to",
    "connect-lb proxy --service NAME, or --route …,service=NAME",
  );
}

/** @throws CliError for routes and origins that can't be */
function proxyOf(
  { options: { cors, idempotent, json } }: ProxyContext,
  texts: readonly RouteText[],
  services: ReadonlyMap<string, BalancedTransport>,
  tls: ReturnType<typeof listenTls>,
): Proxy {
  const routes = texts.map(({ service, ...rest }): ProxyRoute => ({ ...rest, json, to: services.get(service)! }));
  try {
    return createProxy({
      routes,
      idempotent,
      tls,
      ...cors.length > 0 && { cors: { origins: cors.includes("*") ? "*" : cors } },
    });
  } catch (error) {
    throw usageError((error as Error).message);
  }
}

function shownAddress(host: string, address: string): string {
  return isWildcardHost(host) ? `127.0.0.1:${address.split(":").at(-1)}` : address;
}
