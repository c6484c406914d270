// What grpc-js makes of our load reports.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, type Metadata } from "@grpc/grpc-js";
import { Simple, SimpleRequestSchema, SimpleResponseSchema } from "../../gen/simple_pb.ts";
import { OrcaLoadReportSchema } from "../../gen/xds/data/orca/v3/orca_load_report_pb.ts";
import { reportLoad } from "../../src/server/load-report.ts";
import { createGrpcServer, type GrpcServer } from "../../src/server.ts";
import { eventually } from "../support/eventually.ts";
import { runtime } from "../support/process.ts";

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
