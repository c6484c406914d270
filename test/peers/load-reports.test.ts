// What grpc-js makes of our load reports, and our client of those of grpc-go.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { Client, credentials, type Metadata } from "@grpc/grpc-js";
import { Simple, SimpleRequestSchema, SimpleResponseSchema } from "../../gen/simple_pb.ts";
import { OrcaLoadReportSchema } from "../../gen/xds/data/orca/v3/orca_load_report_pb.ts";
import { createBalancedTransport, staticResolver, weightedRoundRobin } from "../../src/index.ts";
import { grpcConnector } from "../../src/node.ts";
import { reportLoad } from "../../src/server/load-report.ts";
import { createGrpcServer, type GrpcServer } from "../../src/server.ts";
import { eventually } from "../support/eventually.ts";
import { hasGo } from "../support/go.ts";
import { grpcGo } from "../support/grpc-go.ts";
import { runtime, start } from "../support/process.ts";

/** A server as busy as it says, on a port of its own. */
async function startServer(applicationUtilization: number): Promise<{ address: string; server: GrpcServer }> {
  const loadReports = reportLoad({ minReportIntervalMs: 50 });
  loadReports.set({ applicationUtilization });
  const server = createGrpcServer({
    routes: (router) => router.service(Simple, { route: () => ({ value: String(applicationUtilization) }) }),
    loadReports,
  });
  const { address } = await server.listen({ host: "127.0.0.1" });
  return { address, server };
}

function call(client: Client): Promise<{ value: string; trailer: Metadata }> {
  return new Promise((resolve, reject) => {
    let value = "";
    client.makeUnaryRequest(
      "/proto.Simple/Route",
      (request) => Buffer.from(toBinary(SimpleRequestSchema, request)),
      (bytes) => fromBinary(SimpleResponseSchema, bytes),
      create(SimpleRequestSchema),
      (error, response) => error ? reject(error) : value = response!.value,
    ).on("status", ({ metadata }) => resolve({ value, trailer: metadata }));
  });
}

// grpc-js has trouble with Deno's HTTP/2.
describe("our load reports, to grpc-js", { skip: runtime === "deno" }, () => {
  it("come in the trailers", async () => {
    const { address, server } = await startServer(0.25);
    const client = new Client(address, credentials.createInsecure());
    try {
      await call(client);
      const [report] = (await call(client)).trailer.get("endpoint-load-metrics-bin");
      const { applicationUtilization, namedMetrics } = fromBinary(OrcaLoadReportSchema, report as Buffer);
      assert.equal(applicationUtilization, 0.25);
      assert.equal(namedMetrics["rif"], 0);
      assert.ok(namedMetrics["latency_ms"]! > 0);
    } finally {
      client.close();
      await server.close();
    }
  });

  it("are what its weighted round robin goes by", async () => {
    const servers = [await startServer(0.9), await startServer(0.1)];
    // By OpenRcaService: for each report in a trailer, it reads its .proto files again.
    const policy = {
      enable_oob_load_report: true,
      oob_load_reporting_period: "0.050s",
      blackout_period: "0s",
      weight_update_period: "0.1s",
    };
    const client = new Client(
      `ipv4:${servers.map(({ address }) => address).join(",")}`,
      credentials.createInsecure(),
      { "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ weighted_round_robin: policy }] }) },
    );
    try {
      await eventually("most calls go to the server that is less busy", async () => {
        const answers = await Promise.all(Array.from({ length: 50 }, () => call(client)));
        return answers.filter(({ value }) => value === "0.1").length >= 35;
      });
    } finally {
      client.close();
      for (const { server } of servers) await server.close();
    }
    assert.deepEqual(servers.map(({ server }) => server.connections), [0, 0]);
  });
});

describe(
  "load reports of grpc-go, to our client",
  { skip: !hasGo() && "there is no Go to build the servers with" },
  () => {
    for (const [how, options] of [["in trailers", {}], ["out of band", { outOfBandPeriodMs: 1_000 }]] as const) {
      it(`are what calls go by: ${how}`, async () => {
        // As many calls at a half, a quarter and an eighth of the utilization: weights of 1, 2 and 4.
        const children = ["0.8", "0.4", "0.2"].map((utilization, i) => {
          return start(grpcGo("reporting"), ["abc"[i]!, utilization, "100"]);
        });
        const lines = await Promise.all(children.map((child) => child.line(/^\{"address":"([^"]+)"/)));
        const transport = createBalancedTransport({
          resolver: staticResolver(lines.map(([, address]) => address!)),
          connector: grpcConnector(),
          policy: weightedRoundRobin({ loadReports: { blackoutPeriodMs: 0, updatePeriodMs: 100, ...options } }),
        });
        const client = createClient(Simple, transport);
        try {
          await eventually("each gets its share", async () => {
            const answers: Record<string, number> = { a: 0, b: 0, c: 0 };
            for (let i = 0; i < 70; i++) answers[(await client.route({})).value]!++;
            return Math.abs(answers["a"]! - 10) <= 2 && Math.abs(answers["b"]! - 20) <= 2;
          });
        } finally {
          await transport.close();
          for (const child of children) {
            child.endInput();
            await child.exited;
          }
        }
      });
    }
  },
);
