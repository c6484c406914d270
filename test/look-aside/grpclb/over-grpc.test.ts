import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { type ConnectRouter, createClient } from "@connectrpc/connect";
import { Simple } from "../../../gen/simple_pb.ts";
import { grpclbResolver } from "../../../src/look-aside.ts";
import { grpcConnector } from "../../../src/node.ts";
import { createGrpcServer } from "../../../src/server.ts";
import { createBalancedTransport } from "../../../src/transport/transport.ts";
import { eventually } from "../../support/eventually.ts";
import { drop, ScriptedBalancer, server } from "./scripted-balancer.ts";

async function serve(t: TestContext, routes: (router: ConnectRouter) => unknown): Promise<string> {
  const server = createGrpcServer({ routes });
  t.after(async () => {
    server.closeAllConnections();
    await server.close();
  });
  return (await server.listen({ host: "127.0.0.1" })).address;
}

const simple = (name: string) => (router: ConnectRouter) =>
  router.service(Simple, {
    route: (_, { requestHeader }) => ({ value: `${name} ${requestHeader.get("lb-token")}` }),
    async *routeBidiStream(requests, { requestHeader }) {
      for await (const _ of requests) yield { value: `${name} ${requestHeader.get("lb-token")}` };
    },
  });

describe("grpclbResolver over gRPC", () => {
  it("takes lists from a balancer, sends tokens with unary calls and streams, and reports them", async (t) => {
    const balancer = new ScriptedBalancer();
    const [a, b, lb] = [
      await serve(t, simple("a")),
      await serve(t, simple("b")),
      await serve(t, balancer.routes),
    ];
    const connector = grpcConnector();
    const transport = createBalancedTransport({
      resolver: grpclbResolver({ name: "orders", balancers: [lb], connector, random: () => 0 }),
      connector,
      random: () => 0,
    });
    t.after(() => transport.close());
    const connected = transport.connect();
    const stream = await eventually("the stream", () => balancer.streams[0]);
    await eventually("its name", () => stream.name === "orders");
    stream.begin(1_000);
    stream.list(server(a, "token-a"), server(b, "token-b"), drop("quota"));
    await connected;
    await eventually("both are ready", () => transport.snapshot().endpoints!.every(({ available }) => available));
    const client = createClient(Simple, transport);
    const answers: string[] = [];
    for (let i = 0; i < 5; i++) {
      answers.push(await client.route({ data: "" }).then(({ value }) => value, () => "dropped"));
    }
    answers.sort();
    assert.deepEqual(answers, ["a token-a", "a token-a", "b token-b", "b token-b", "dropped"]);
    async function* requests() {
      yield { data: "1" };
    }
    // The turn at which calls are dropped.
    await assert.rejects(client.route({ data: "" }));
    for await (const { value } of client.routeBidiStream(requests())) assert.match(value, /^[ab] token-[ab]$/);
    await eventually("seven calls are reported", () => {
      return stream.reports.reduce((sum, report) => sum + report.numCallsFinished, 0n) === 7n;
    });
    const received = stream.reports.reduce((sum, report) => sum + report.numCallsFinishedKnownReceived, 0n);
    const drops = stream.reports.flatMap(({ callsFinishedWithDrop }) => callsFinishedWithDrop);
    assert.equal(received, 5n);
    assert.deepEqual([...new Set(drops.map(({ loadBalanceToken }) => loadBalanceToken))], ["quota"]);
    assert.equal(drops.reduce((sum, { numCalls }) => sum + numCalls, 0n), 2n);
    await transport.close();
    await eventually("the balancer sees the end", () => stream.closed);
  });
});
