// grpcHealth against servers of this library, over sockets.
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { grpcHealth, type GrpcHealthOptions } from "../../src/health/grpc-health.ts";
import { grpcConnector } from "../../src/node/grpc-connector.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { createGrpcServer, createHealth } from "../../src/server.ts";
import { createBalancedTransport } from "../../src/transport/transport.ts";
import { eventually } from "../support/eventually.ts";

async function server(t: TestContext, withHealth = true) {
  const health = createHealth();
  let calls = 0;
  const started = createGrpcServer({
    routes: (router) => void router.service(Simple, { route: () => (calls++, {}) }),
    ...withHealth && { health },
  });
  t.after(() => started.close());
  const { address } = await started.listen({ host: "127.0.0.1", port: 0 });
  return { address, health, calls: () => calls };
}

describe("grpcHealth over sockets", () => {
  for (const [how, options] of [["watched", {}], ["polled", { pollIntervalMs: 50 }]] as const) {
    it(`keeps calls off a server that is not serving (${how})`, async (t) => {
      await keepsCallsOff(t, options);
    });
  }
});

async function keepsCallsOff(t: TestContext, options: GrpcHealthOptions): Promise<void> {
  const servers = [await server(t), await server(t), await server(t, false)];
  const transport = createBalancedTransport({
    resolver: staticResolver(servers.map(({ address }) => address)),
    connector: grpcConnector(),
    health: [grpcHealth(options)],
  });
  t.after(() => transport.close());
  await transport.connect();
  const client = createClient(Simple, transport);
  const available = () => transport.snapshot().endpoints!.filter((endpoint) => endpoint.available).length;
  // The third has no health service.
  await eventually("all serve", () => available() === 3);
  servers[0]!.health.setStatus("", "NOT_SERVING");
  await eventually("one is held back", () => available() === 2);
  const before = servers[0]!.calls();
  for (let i = 0; i < 30; i++) await client.route({});
  assert.equal(servers[0]!.calls(), before);
  assert.ok(servers[1]!.calls() > 0 && servers[2]!.calls() > 0);
  servers[0]!.health.setStatus("", "SERVING");
  await eventually("it is back", () => available() === 3);
  for (let i = 0; i < 30; i++) await client.route({});
  assert.ok(servers[0]!.calls() > before);
  assert.ok(transport.snapshot().endpoints!.every(({ inFlight }) => inFlight === 0));
}
