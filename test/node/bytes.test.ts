import assert from "node:assert/strict";
import { it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { KV } from "../../gen/etcd/rpc_pb.ts";
import { grpcConnector } from "../../src/node.ts";
import { createMemoryEtcd } from "../../src/testing.ts";
import { direct } from "../support/direct.ts";
import { serveRoutes } from "../support/serve-routes.ts";

it("gives bytes fields as plain Uint8Arrays, small and large", async (t) => {
  const etcd = createMemoryEtcd();
  const server = await serveRoutes(etcd.routes);
  const link = direct(grpcConnector(), { address: new URL(server.url).host });
  t.after(async () => {
    await link.close();
    await etcd.close();
    await server.close();
  });
  const kv = createClient(KV, link.transport);
  for (const size of [1, 100, 100_000]) {
    const key = new TextEncoder().encode(`size ${size}`);
    await kv.put({ key, value: new Uint8Array(size) });
    const { kvs: [found] } = await kv.range({ key });
    assert.equal(found?.value.length, size);
    assert.equal(Object.getPrototypeOf(found.value), Uint8Array.prototype);
    assert.equal(Object.getPrototypeOf(found.key), Uint8Array.prototype);
  }
});
