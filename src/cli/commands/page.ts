import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { isWildcardHost } from "../../endpoint.ts";
import { grpcConnector } from "../../node/grpc-connector.ts";
import { requestListener } from "../../node/request-listener.ts";
import { observe } from "../../page.ts";
import type { RegistryEvent } from "../../registry/event.ts";
import type { Registry } from "../../registry/registry.ts";
import { sleep } from "../../time/backoff.ts";
import { systemClock } from "../../time/clock.ts";
import { type Command, type Context, defineCommand } from "../command.ts";
import { ETCD_OPTIONS } from "../etcd-options.ts";
import type { EtcdTarget } from "../etcd-target.ts";
import { EXIT, usageError } from "../exit.ts";
import { cantListen, isLoopback } from "../listening.ts";
import { ObservedServices } from "../observed-services.ts";
import { etcdTarget } from "../read-etcd-options.ts";
import { SERVER_OPTIONS, serverTls } from "../server-options.ts";
import { unknownService } from "../unknown-service.ts";
import { untilAborted } from "../until-aborted.ts";
import { listenAddress } from "../values.ts";

const OPTIONS = {
  listen: {
    type: "string",
    value: "ADDR",
    help: "where to serve the page: host:port, or a port of 127.0.0.1; port 0 takes a free one",
    default: "127.0.0.1:9900",
  },
  host: {
    type: "string",
    multiple: true,
    value: "NAME",
    help: "a name that the page may be reached by, besides localhost and where it listens",
  },
  page: {
    type: "string",
    multiple: true,
    value: "URL",
    help: "the live page of a program, whose calls are shown, too",
  },
  ...SERVER_OPTIONS,
  ...ETCD_OPTIONS,
} as const;

type PageContext = Context<typeof OPTIONS>;

/** How often it looks which services there are, in milliseconds. */
const LIST_AGAIN_MS = 5_000;

/** `connect-lb page`: the live page of what is registered. */
export const page: Command = defineCommand({
  name: "page",
  summary: "serve a live page of services and their servers for your browser",
  examples: [
    { line: "page", does: "all services, at http://127.0.0.1:9900" },
    { line: "page simple_grpc --page http://127.0.0.1:9000", does: "one service, and the calls of a program" },
  ],
  description: [
    "It shows what is registered, which servers can be reached from here and what they say of their health " +
    "(grpc.health.v1). Calls are seen by the programs that make them only: those of programs with a live page of their " +
    "own (observe() of connect-lb/page) are shown with --page.",
    "Anyone who can reach the page can read it, so it is served on loopback unless --listen says otherwise.",
  ],
  args: [{ name: "SERVICE", optional: true, many: true, complete: "service" }],
  options: OPTIONS,
  serves: true,
  async run(context) {
    const { options, args, io, say, signal } = context;
    const where = listenAddress(["--listen", options.listen]);
    const target = etcdTarget(context);
    for (const service of args) target.checkService(service);
    const tls = serverTls(context);
    const onEvents = new Set<(event: RegistryEvent) => void>();
    const registry = target.registry((event) => onEvents.forEach((listener) => listener(event)));
    const services = new ObservedServices(registry, grpcConnector({ tls }), systemClock);
    const page = observed(context, services, registry, isWildcardHost(where.host) ? [] : [where.host]);
    onEvents.add(page.onEvent);
    const server = createServer(requestListener(page.handler));
    try {
      services.see(args.length > 0 ? args : await first(context, target, registry));
      if (args.length > 0) await sayUnknown(context, target, registry);
      const { port } = await listening(server, where).catch((error: NodeJS.ErrnoException) => {
        throw cantListen(options.listen, error, "another port: --listen 127.0.0.1:0");
      });
      if (!isLoopback(where.host)) say(`anyone who reaches port ${port} can read the page`);
      io.stdout.write(`http://${urlHost(where.host)}:${port}/\n`);
      if (args.length === 0) void listAgain(services, registry, signal);
      await untilAborted(signal);
      return EXIT.ok;
    } finally {
      page.close();
      server.close();
      server.closeAllConnections();
      await services.close();
      await registry.close();
    }
  },
});

function observed(
  { options }: PageContext,
  { transports }: ObservedServices,
  registry: Registry,
  hosts: readonly string[],
) {
  try {
    return observe({ transports, registries: [registry], pages: options.page, hosts: [...hosts, ...options.host] });
  } catch (error) {
    throw usageError((error as Error).message);
  }
}

/** The services that there are at first. With other pages to show, etcd may be missing. */
async function first({ options, say, signal }: PageContext, target: EtcdTarget, registry: Registry) {
  try {
    return (await registry.list(signal)).map(({ service }) => service);
  } catch (error) {
    const explained = target.explain(error);
    if (options.page.length === 0) throw explained;
    say(`${explained.message}; it is tried again`);
    return [];
  }
}

/** Says which of the services that were asked for are not there. They are waited for. */
async function sayUnknown({ args, say, signal }: PageContext, target: EtcdTarget, registry: Registry): Promise<void> {
  let names: readonly string[];
  try {
    names = (await registry.list(signal)).filter(({ endpoints }) => endpoints > 0).map(({ service }) => service);
  } catch (error) {
    say(`${target.explain(error).message}; it is tried again`);
    return;
  }
  for (const service of args.filter((name) => !names.includes(name))) {
    const { message, next } = await unknownService(target, service, 0, signal);
    for (const line of [`${message}, yet: waiting for the first one`, ...next]) say(line);
  }
}

/** Looks at services that are new, until the signal aborts. */
async function listAgain(services: ObservedServices, registry: Registry, signal: AbortSignal): Promise<void> {
  for (;;) {
    await sleep(systemClock, LIST_AGAIN_MS, signal);
    if (signal.aborted) return;
    try {
      const listed = await registry.list(signal);
      if (!signal.aborted) services.see(listed.map(({ service }) => service));
    } catch {
      // The page shows that the sets are stale.
    }
  }
}

function listening(server: Server, where: { readonly host: string; readonly port: number }): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(where, () => resolve(server.address() as AddressInfo));
  });
}

/** The host for a URL that is opened on this machine. */
function urlHost(host: string): string {
  if (isWildcardHost(host)) return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}
