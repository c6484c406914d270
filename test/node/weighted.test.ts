// Weights, from real servers to the calls that they get.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { createEtcdRegistry } from "../../src/etcd.ts";
import {
  createBalancedTransport,
  type LoadReportWeightOptions,
  staticResolver,
  transportConnector,
  weightedRoundRobin,
} from "../../src/index.ts";
import { etcdNaming } from "../../src/registry/layout/etcd-naming.ts";
import { createMemoryEtcd } from "../../src/testing.ts";
import { grpcConnector } from "../../src/node.ts";
import { createGrpcServer, type GrpcServer, reportLoad } from "../../src/server.ts";
import { eventually } from "../support/eventually.ts";

/** A server that answers with its name, and says that it is as busy as this. */
async function startServer(name: string, applicationUtilization: number) {
  const loadReports = reportLoad({ minReportIntervalMs: 20 });
  loadReports.set({ applicationUtilization });
  const server: GrpcServer = createGrpcServer({
    routes: (router) => router.service(Simple, { route: () => ({ value: name }) }),
    loadReports,
  });
  const { address } = await server.listen({ host: "127.0.0.1" });
  return { address, server };
}

type Call = () => Promise<string>;

/** How many of so many calls each server answers. */
async function answersOf(call: Call, count: number): Promise<Record<string, number>> {
  const answers: Record<string, number> = { a: 0, b: 0, c: 0 };
  for (let i = 0; i < count; i++) answers[await call()]!++;
  return answers;
}

describe("three servers that registered with the weights 9, 1 and 1", () => {
  it("get their shares of the calls, and others when one has a new weight", async () => {
    const servers = await Promise.all(["a", "b", "c"].map((name) => startServer(name, 0.5)));
    const etcd = createMemoryEtcd();
    const registry = createEtcdRegistry({
      endpoints: ["memory:1"],
      connector: transportConnector(() => etcd.transport()),
      layout: etcdNaming(),
    });
    const registrations = servers.map(({ address }, i) => {
      return registry.register({ service: "weighted", address, weight: i === 0 ? 9 : 1 });
    });
    await Promise.all(registrations.map(({ ready }) => ready));
    const transport = createBalancedTransport({ resolver: registry.resolver("weighted"), connector: grpcConnector() });
    const client = createClient(Simple, transport);
    const call = async () => (await client.route({})).value;
    try {
      await transport.connect();
      await eventually(
        "all are connected",
        () => transport.snapshot().endpoints!.filter(({ available }) => available).length === 3,
      );
      await answersOf(call, 5);
      assert.deepEqual(await answersOf(call, 110), { a: 90, b: 10, c: 10 });
      const weights = () => transport.snapshot().endpoints!.map(({ endpoint, policy }) => [endpoint.weight, policy]);
      assert.deepEqual(new Map(weights() as [number, unknown][]), new Map([[9, { weight: 9 }], [1, { weight: 1 }]]));
      await registrations[1]!.update({ weight: 9 });
      await eventually(
        "the weight is known",
        () => transport.snapshot().endpoints!.filter(({ endpoint }) => endpoint.weight === 9).length === 2,
      );
      const { a, b, c } = await answersOf(call, 190);
      assert.ok(Math.abs(a! - 90) <= 2 && Math.abs(b! - 90) <= 2 && Math.abs(c! - 10) <= 2, `${a} ${b} ${c}`);
    } finally {
      await transport.close();
      await registry.close();
      for (const { server } of servers) await server.close();
    }
  });
});

describe("three servers that report how busy they are", () => {
  const ways: [string, LoadReportWeightOptions][] = [
    ["with their answers", {}],
    ["out of band", { outOfBandPeriodMs: 20 }],
  ];
  for (const [how, options] of ways) {
    it(`${how}, get the fewer calls the busier they are`, async () => {
      const servers = await Promise.all(
        [["a", 0.2], ["b", 0.4], ["c", 0.8]].map(([name, utilization]) =>
          startServer(name as string, utilization as number)
        ),
      );
      const transport = createBalancedTransport({
        resolver: staticResolver(servers.map(({ address }) => address)),
        connector: grpcConnector(),
        policy: weightedRoundRobin({ loadReports: { blackoutPeriodMs: 0, updatePeriodMs: 100, ...options } }),
      });
      const client = createClient(Simple, transport);
      try {
        await eventually("calls follow the reports", async () => {
          const { a, b, c } = await answersOf(async () => (await client.route({})).value, 140);
          return a! > b! + 10 && b! > c! + 5;
        });
      } finally {
        await transport.close();
        for (const { server } of servers) await server.close();
      }
      assert.deepEqual(servers.map(({ server }) => server.connections), [0, 0, 0]);
    });
  }

  it("is round robin where servers don't report out of band", async () => {
    const transport = createBalancedTransport({
      resolver: staticResolver(["a:1", "b:1", "c:1"]),
      connector: transportConnector(({ address }) =>
        createRouterTransport(({ service }) => service(Simple, { route: () => ({ value: address.slice(0, 1) }) }))
      ),
      policy: weightedRoundRobin({ loadReports: { outOfBandPeriodMs: 20, blackoutPeriodMs: 0 } }),
    });
    const client = createClient(Simple, transport);
    const answers = await answersOf(async () => (await client.route({})).value, 30);
    assert.deepEqual(answers, { a: 10, b: 10, c: 10 });
    await transport.close();
  });
});
