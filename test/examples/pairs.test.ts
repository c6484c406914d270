// One call of each kind to a server on each runtime, from the runtime that runs this test: all nine pairs, as the suite
// runs on three.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { createEtcdRegistry, type Registry } from "../../src/etcd.ts";
import { createBalancedTransport } from "../../src/index.ts";
import { grpcConnector } from "../../src/node.ts";
import { type Child, type Runtime, runtime, startScript } from "../support/process.ts";
import { type EtcdProcess, startEtcdProcess } from "./etcd-process.ts";

const servers: readonly Runtime[] = ["node", "bun", "deno"];

async function* requests() {
  for (const data of ["a", "b", "c"]) yield { data };
}

async function values(responses: AsyncIterable<{ code: number; value: string }>): Promise<string[]> {
  const all: string[] = [];
  for await (const { code, value } of responses) {
    assert.equal(code, 200);
    all.push(value);
  }
  return all;
}

describe("examples/server.ts", () => {
  let etcd: EtcdProcess;
  let registry: Registry;
  const children: Child[] = [];
  before(async () => {
    etcd = await startEtcdProcess();
    registry = createEtcdRegistry({ endpoints: [etcd.url] });
    await Promise.all(servers.map(async (on) => {
      const env = { ETCD_ENDPOINTS: etcd.url, SERVICE: `pair_${on}`, ADDRESS: "127.0.0.1:0" };
      const child = startScript(on, "examples/server.ts", [], { env });
      children.push(child);
      await child.line(/^registered: \/grpclb\/pair_/);
    }));
  });
  after(async () => {
    await registry?.close();
    await Promise.all(children.map((child) => child.kill()));
    await etcd?.child.kill();
  });

  for (const on of servers) {
    it(`on ${on} answers a client on ${runtime}, one call of each kind`, async (t) => {
      const transport = createBalancedTransport({
        resolver: registry.resolver(`pair_${on}`),
        connector: grpcConnector(),
        defaultTimeoutMs: 10_000,
      });
      t.after(() => transport.close());
      const simple = createClient(Simple, transport);
      const { code, value } = await simple.route({ data: "grpc 7" });
      assert.deepEqual([code, value], [200, "hello grpc 7"]);
      assert.deepEqual(await values(simple.routeServerStream({ data: "x" })), [
        "hello x, part 1",
        "hello x, part 2",
        "hello x, part 3",
      ]);
      assert.equal((await simple.routeClientStream(requests())).value, "hello, 3 messages came");
      assert.deepEqual(await values(simple.routeBidiStream(requests())), ["hello a", "hello b", "hello c"]);
      await children[0]!.line(/^receive: grpc 7$/);
    });
  }
});
