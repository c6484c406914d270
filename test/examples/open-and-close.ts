// Opens a registry, a registration and a transport, closes them, and is to exit by itself.
// Arguments: etcd's URL; "used" if it is there, "away" if it isn't.
import process from "node:process";
import { createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { createEtcdRegistry } from "../../src/etcd.ts";
import { createBalancedTransport } from "../../src/index.ts";
import { grpcConnector } from "../../src/node.ts";
import { createGrpcServer, shutdown } from "../../src/server.ts";

const [url = "", mode] = process.argv.slice(2);
const server = createGrpcServer({
  routes: (router) => router.service(Simple, { route: ({ data }) => ({ code: 200, value: data }) }),
});
const { address } = await server.listen({ host: "127.0.0.1", port: 0 });

const registry = createEtcdRegistry({ endpoints: [url] });
const registration = registry.register({ service: "exit", address, ttlSeconds: 5 });
const transport = createBalancedTransport({ resolver: registry.resolver("exit"), connector: grpcConnector() });
if (mode === "used") {
  await registration.ready;
  await transport.connect();
  console.log((await createClient(Simple, transport).route({ data: "called" })).value);
} else {
  const failed = await transport.connect({ timeoutMs: 500 }).then(() => false, () => true);
  console.log(failed ? "etcd is away" : "etcd is there");
}
await transport.close();
await shutdown(server, { registration, settleMs: 0 });
await registry.close();
console.log("closed");
