// Look-aside balancing with others' programs: bsm/grpclb's balancer and client, and grpc-go's messages of grpc.lb.v1.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { before, describe, it, type TestContext } from "node:test";
import { promisify } from "node:util";
import { type ConnectRouter, createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { grpclbResolver, loadReportRoutes, lookAsideBalancer, lookAsideResolver } from "../../src/look-aside.ts";
import { grpcConnector } from "../../src/node.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { createGrpcServer } from "../../src/server.ts";
import { createBalancedTransport } from "../../src/transport/transport.ts";
import { bsmGrpclb } from "../support/bsm-grpclb.ts";
import { eventually } from "../support/eventually.ts";
import { hasGo } from "../support/go.ts";
import { grpcGo } from "../support/grpc-go.ts";
import { start } from "../support/process.ts";

const skip = hasGo() ? false : "bsm/grpclb and grpc-go need Go to be built";

async function serve(t: TestContext, routes: (router: ConnectRouter) => unknown): Promise<string> {
  const server = createGrpcServer({ routes });
  t.after(async () => {
    server.closeAllConnections();
    await server.close();
  });
  return (await server.listen({ host: "127.0.0.1" })).address;
}

/** A server that answers with its name and its token, and reports a load. */
function backend(t: TestContext, name: string, load: { score: number }): Promise<string> {
  return serve(t, (router) => {
    router.service(Simple, { route: (_, context) => ({ value: `${name} ${context.requestHeader.get("lb-token")}` }) });
    loadReportRoutes({ score: () => load.score })(router);
  });
}

/** Starts a program that prints first where it listens. */
async function startBalancer(t: TestContext, path: string, ...args: readonly string[]) {
  const child = start(path, args);
  t.after(() => child.stop());
  const address = await eventually(`${path} listens`, () => child.lines[0]);
  return { child, address };
}

describe("bsm/grpclb", { skip }, () => {
  before(() => void bsmGrpclb("balancer"), { timeout: 300_000 });

  it("its balancer asks our servers for their load, and our clients balance by its answers", async (t) => {
    const load = { score: 0 }, a = await backend(t, "a", load), b = await backend(t, "b", { score: 0 });
    const { address } = await startBalancer(t, bsmGrpclb("balancer"), "orders", a, b);
    const connector = grpcConnector();
    const resolver = lookAsideResolver({ target: "orders", balancers: [address], connector, intervalMs: 100 });
    const transport = createBalancedTransport({ resolver, connector });
    t.after(() => transport.close());
    const client = createClient(Simple, transport);
    const share = async () => {
      let count = 0;
      for (let i = 0; i < 30; i++) if ((await client.route({ data: "" })).value.startsWith("a")) count++;
      return count;
    };
    await eventually("both are used in turn", async () => (await share()) === 15);
    load.score = 3;
    await eventually("a has half the calls of b", async () => (await share()) === 10);
  });

  it("its client reads what our balancer says", async (t) => {
    const a = await backend(t, "a", { score: 7 }), b = await backend(t, "b", { score: 2 });
    const balancer = lookAsideBalancer({ resolver: () => staticResolver([a, b]), connector: grpcConnector() });
    t.after(() => balancer.close());
    const address = await serve(t, balancer.routes);
    const { stdout } = await promisify(execFile)(bsmGrpclb("client"), ["-a", address, "-t", "orders"], {
      timeout: 60_000,
    });
    assert.equal(stdout, `2\t${b}\n7\t${a}\n`);
  });
});

describe("grpc.lb.v1 by grpc-go", { skip }, () => {
  before(() => void grpcGo("grpclb"), { timeout: 300_000 });

  it("a list of its messages is followed, and it reads what is reported", async (t) => {
    const a = await backend(t, "a", { score: 0 }), b = await backend(t, "b", { score: 0 });
    const { address, child } = await startBalancer(t, grpcGo("grpclb"), a, b);
    const connector = grpcConnector();
    const resolver = grpclbResolver({ name: "orders", balancers: [address], connector });
    const transport = createBalancedTransport({ resolver, connector });
    t.after(() => transport.close());
    await transport.connect();
    await eventually("both are ready", () => {
      return transport.snapshot().endpoints!.filter(({ available }) => available).length === 2;
    });
    const client = createClient(Simple, transport), answers: string[] = [];
    for (let i = 0; i < 6; i++) {
      answers.push(await client.route({ data: "" }).then(({ value }) => value, () => "dropped"));
    }
    assert.deepEqual(answers.toSorted(), ["a token-0", "a token-0", "b token-1", "b token-1", "dropped", "dropped"]);
    // Started, finished, known to be received, dropped.
    await eventually("its counts", () => {
      const reports = child.lines.filter((line) => line.startsWith("stats")).map((line) => line.split(" ").map(Number));
      const sums = [1, 2, 3, 4].map((i) => reports.reduce((sum, report) => sum + report[i]!, 0));
      return sums.join() === "6,6,4,2";
    });
    assert.equal(child.lines[1], "name orders");
    await transport.close();
    await eventually("the end of the stream", () => child.lines.at(-1) === "end");
  });
});
