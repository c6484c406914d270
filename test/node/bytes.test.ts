import assert from "node:assert/strict";
import { it } from "node:test";
import { toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { KV, RangeResponseSchema } from "../../gen/etcd/rpc_pb.ts";
import { grpcConnector } from "../../src/node.ts";
import { createMemoryEtcd } from "../../src/testing.ts";
import { direct } from "../support/direct.ts";
import { serveRoutes } from "../support/serve-routes.ts";

it("gives bytes fields as plain Uint8Arrays, small and large", async (t) => {
  const etcd = createMemoryEtcd();
  const server = await serveRoutes(etcd.routes);
  // What is compressed is unpacked into memory of its own.
  const link = direct(grpcConnector({ acceptCompression: [] }), { address: new URL(server.url).host });
  t.after(async () => {
    await link.close();
    await etcd.close();
    await server.close();
  });
  const kv = createClient(KV, link.transport);
  for (const size of [1, 100, 5_000, 12_000, 100_000]) {
    const key = new TextEncoder().encode(`size ${size}`);
    await kv.put({ key, value: new Uint8Array(size) });
    const answer = await kv.range({ key });
    const [found] = answer.kvs;
    assert.equal(found?.value.length, size);
    assert.equal(Object.getPrototypeOf(found.value), Uint8Array.prototype);
    assert.equal(Object.getPrototypeOf(found.key), Uint8Array.prototype);
    // Who keeps a value keeps its message, not all that the socket read at the same time.
    if (size < 16_000) assert.equal(found.value.buffer.byteLength, toBinary(RangeResponseSchema, answer).length);
  }
});
