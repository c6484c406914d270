// Runs code blocks of the pages one after another in this process: `run-blocks.ts <etcd> <block as JSON>…`. They find
// what test/docs/rules.ts says they take from README: `registry`, `registration`, `transport`, `simple` and `server`.
// @ts-nocheck: it is copied into a folder where the package is installed.
import process from "node:process";
import { createClient } from "@connectrpc/connect";
import { createBalancedTransport } from "connect-lb";
import { createEtcdRegistry } from "connect-lb/etcd";
import { grpcConnector } from "connect-lb/node";
import { createGrpcServer } from "connect-lb/server";
import { Simple } from "./gen/simple_pb.ts";

const [etcd, ...blocks] = process.argv.slice(2);
const server = createGrpcServer({
  routes: (router) => router.service(Simple, { route: ({ data }) => ({ code: 200, value: `hello ${data}` }) }),
});
const { address } = await server.listen({ host: "127.0.0.1", port: 0 });
const registry = createEtcdRegistry({ endpoints: [etcd] });
const registration = registry.register({ service: "simple_grpc", address });
await registration.ready;
const transport = createBalancedTransport({
  resolver: registry.resolver("simple_grpc"),
  connector: grpcConnector(),
  defaultTimeoutMs: 30_000,
});
Object.assign(globalThis, { registry, registration, server, transport, simple: createClient(Simple, transport) });

for (const text of blocks) {
  const { name, file } = JSON.parse(text);
  console.log(`── ${name}`);
  const timer = setTimeout(() => {
    console.error("it takes over 60 s");
    process.exit(1);
  }, 60_000);
  try {
    await import(new URL(`./blocks/${file}`, import.meta.url).href);
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
  clearTimeout(timer);
}
await transport.close();
await registry.close();
console.log(`ran ${blocks.length} blocks`);
process.exit(0);
