// A program of a user, on the built package: etcd is both the registry and the balanced service here, because its
// generated code is in the package.
import assert from "node:assert/strict";
import { createClient } from "@connectrpc/connect";
import { balance, createBalancedTransport } from "connect-lb";
import { createEtcdRegistry } from "connect-lb/etcd";
import { createEtcd3Registry } from "connect-lb/etcd3";
import { grpcConnector } from "connect-lb/node";
import { createGrpcServer } from "connect-lb/server";
import { createMemoryEtcd } from "connect-lb/testing";
import { KV } from "./node_modules/connect-lb/dist/gen/etcd/rpc_pb.js";

console.log(`on Node ${process.versions.node}`);
assert.match(process.versions.node, /^22\./);

const etcd = createMemoryEtcd();
const servers = [1, 2, 3].map(() => createGrpcServer({ routes: etcd.routes }));
const addresses = [];
for (const server of servers) addresses.push((await server.listen({ host: "127.0.0.1" })).address);

const registry = createEtcdRegistry({ endpoints: [`http://${addresses[0]}`] });
const registrations = addresses.map((address) => registry.register({ service: "kv", address, ttlSeconds: 5 }));
await Promise.all(registrations.map(({ ready }) => ready));

const transport = createBalancedTransport({ resolver: registry.resolver("kv"), connector: grpcConnector() });
await transport.connect();
while (transport.snapshot().endpoints.some(({ available }) => !available)) await new Promise(setImmediate);
const kv = createClient(KV, transport);
const used = [];
for (let i = 0; i < 9; i++) {
  const key = new TextEncoder().encode("/grpclb/kv/");
  const rangeEnd = new TextEncoder().encode("/grpclb/kv0");
  const { count } = await kv.range({ key, rangeEnd }, balance({ onAttempt: (a) => used.push(a.endpoint.address) }));
  assert.equal(count, 3n);
}
assert.deepEqual(used.slice(0, 3).toSorted(), addresses.toSorted());
assert.deepEqual(used, [...used.slice(0, 3), ...used.slice(0, 3), ...used.slice(0, 3)]);

// Its package is not installed: only the programs that use it need it.
assert.throws(() => createEtcd3Registry({ endpoints: [`http://${addresses[0]}`] }), /import \{ Etcd3 \} from "etcd3"/);

await transport.close();
await registry.close();
await etcd.close();
await Promise.all(servers.map((server) => server.close()));
console.log("9 calls in strict rotation over 3 endpoints");
