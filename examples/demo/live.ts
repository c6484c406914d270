// `npm run demo -- --page`: the same servers, a client that keeps calling, and the live page with buttons beside it.
import { createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { createEtcdRegistry, type Registry } from "../../src/etcd.ts";
import { type BalancedTransport, createBalancedTransport, flightRecorder } from "../../src/index.ts";
import { grpcConnector } from "../../src/node.ts";
import { observe } from "../../src/page.ts";
import { type Action, serveDesk } from "./desk.ts";
import { ownService, type Say, startEtcd, startServer, startThree } from "./servers.ts";

const INTERVAL_MS = 25;

/** Runs until the program is ended. */
export async function live(etcdUrl: string | undefined, port: number, say: Say): Promise<void> {
  const url = etcdUrl ?? await startEtcd(say);
  const service = ownService(), demo = { url, service, say };
  const servers = await startThree(demo);

  const transports: BalancedTransport[] = [], registries: Registry[] = [];
  const page = observe({ transports, registries });
  const registry = createEtcdRegistry({ endpoints: [url], onEvent: page.onEvent });
  const transport = createBalancedTransport({
    resolver: registry.resolver(service),
    connector: grpcConnector({ keepalive: { intervalMs: 2_000, timeoutMs: 1_000 } }),
    recorder: flightRecorder(),
    defaultTimeoutMs: 1_000,
  });
  registries.push(registry);
  transports.push(transport);
  await transport.connect();
  const simple = createClient(Simple, transport);
  setInterval(() => void simple.route({ data: "grpc" }).catch(() => {}), INTERVAL_MS);

  const busy = new Set<string>();
  const act = async (name: string, action: Action): Promise<void> => {
    const i = servers.findIndex((server) => server.name === name), server = servers[i];
    if (server === undefined || busy.has(name)) return;
    busy.add(name);
    try {
      say(`${action} ${name}`);
      const { child, address } = server, { exitCode, signalCode } = child.process;
      if (action === "kill") child.signal("SIGKILL");
      else if (action === "freeze") child.signal("SIGSTOP");
      else if (exitCode === null && signalCode === null) child.signal("SIGCONT");
      else if (action === "revive") servers[i] = await startServer(demo, name, address);
    } finally {
      busy.delete(name);
    }
  };
  const at = await serveDesk({ port, names: servers.map((server) => server.name), page: page.handler, act });
  say(`a call each ${INTERVAL_MS} ms; open ${at}, and end with Ctrl-C`);
  // The server and the timer keep the program alive; a signal ends it with its servers.
  await new Promise(() => {});
}
