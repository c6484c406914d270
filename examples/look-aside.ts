// Three servers that report their load, a look-aside balancer, and a client that balances by it: what
// docs/look-aside.md shows.
//
//   node examples/look-aside.ts
import process from "node:process";
import { createClient } from "@connectrpc/connect";
import { Simple } from "../gen/simple_pb.ts";
import { main } from "../src/cli/main.ts";
import { createEtcdRegistry } from "../src/etcd.ts";
import { createBalancedTransport } from "../src/index.ts";
import { loadReportRoutes, lookAsideResolver } from "../src/look-aside.ts";
import { grpcConnector } from "../src/node.ts";
import { createGrpcServer, type GrpcServer } from "../src/server.ts";
import { createMemoryEtcd } from "../src/testing.ts";

const etcd = await createGrpcServer({ routes: createMemoryEtcd().routes }).listen({ host: "127.0.0.1", port: 0 });
const endpoints = [`http://${etcd.address}`];
const registry = createEtcdRegistry({ endpoints });

/** A server that says that its load is `score`. */
async function serve(name: string, score: number): Promise<GrpcServer> {
  const reportLoad = loadReportRoutes({ score: () => score });
  const server = createGrpcServer({
    routes(router) {
      router.service(Simple, { route: () => ({ code: 200, value: name }) });
      reportLoad(router);
    },
  });
  const { address } = await server.listen({ host: "127.0.0.1", port: 0 });
  await registry.register({ service: "orders", address, ttlSeconds: 30 }).ready;
  return server;
}

/** Runs a line as a shell would. Resolves to its exit code, or for one that serves to the first line it prints. */
async function run(words: readonly string[], env: Readonly<Record<string, string>>, serves: boolean): Promise<string> {
  const shown = words.map((word) => /[{" ]/.test(word) ? `'${word}'` : word).join(" ");
  console.log(`\n$ connect-lb ${shown}`);
  return await new Promise((resolve) => {
    const write = (text: string) => {
      process.stdout.write(text);
      if (serves) resolve(text.trim());
    };
    const sink = { write, isTTY: false, columns: undefined };
    const io = { stdout: sink, stderr: sink, env, readStdin: () => Promise.resolve(""), onSignal: () => () => {} };
    void main(words, io).then((code) => resolve(String(code)));
  });
}

const servers = [await serve("A", 0), await serve("B", 3), await serve("C", 15)];
const env = { CONNECT_LB_ETCD: endpoints[0]! };
const balancer = await run(["balancer", "--listen", "127.0.0.1:0", "--interval", "200ms"], env, true);
const question = ["grpclb.balancer.v1.LoadBalancer/Servers", "-d", '{"target":"orders"}'];
await run(["call", "--address", balancer, ...question], {}, false);

const connector = grpcConnector();
const resolver = lookAsideResolver({ target: "orders", balancers: [balancer], connector, intervalMs: 200 });
const transport = createBalancedTransport({ resolver, connector });
const simple = createClient(Simple, transport);

/** Makes calls, and prints how many each server answered. */
async function count(calls: number): Promise<void> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < calls; i++) {
    const { value } = await simple.route({ data: "hello" });
    counts[value] = (counts[value] ?? 0) + 1;
  }
  for (const name of Object.keys(counts).sort()) console.log(`  ${name} answered ${counts[name]}`);
}

/** Until the balancer names so many servers, and all of them can be called: from then on, weights stay the same. */
async function servedBy(wanted: number): Promise<void> {
  const served = () => {
    const { endpoints = [] } = transport.snapshot();
    return endpoints.length === wanted && endpoints.every(({ available }) => available);
  };
  await transport.connect();
  while (!served()) await new Promise((resolve) => setTimeout(resolve, 20));
}

await servedBy(3);
console.log("\n700 calls, to servers with the scores 0, 3 and 15:");
await count(700);
servers[0]!.closeAllConnections();
await servers[0]!.close();
await servedBy(2);
console.log("\n300 calls, after A stopped without a word to etcd:");
await count(300);
await transport.close();
process.exit(0);
