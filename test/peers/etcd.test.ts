import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { KV, Lease, Watch } from "../../gen/etcd/rpc_pb.ts";
import { grpcConnector } from "../../src/node/grpc-connector.ts";
import { type Direct, direct } from "../support/direct.ts";
import { type Etcd, etcdSkipped, startEtcd } from "../support/etcd.ts";
import { startPingRelay } from "./ping-relay.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

describe("against etcd (grpc-go)", { skip: etcdSkipped }, () => {
  let etcd: Etcd, client: Direct;
  before(async () => {
    etcd = await startEtcd();
    client = direct(grpcConnector({ readMaxBytes: 2 ** 24 }), `127.0.0.1:${etcd.port}`);
  });
  after(async () => {
    await client.close();
    await etcd.stop();
  });

  it("reads what it wrote, in one answer of 10 MiB", async () => {
    const kv = createClient(KV, client.transport);
    const value = bytes("v".repeat(2 ** 20));
    for (let i = 0; i < 10; i++) await kv.put({ key: bytes(`large/${i}`), value });
    const { kvs } = await kv.range({ key: bytes("large/"), rangeEnd: bytes("large0") });
    assert.equal(kvs.reduce((sum, pair) => sum + pair.value.length, 0), 10 * 2 ** 20);
  });

  it("gets etcd's own errors", async () => {
    const lease = createClient(Lease, client.transport);
    await assert.rejects(lease.leaseRevoke({ ID: 12_345n }), (error: unknown) => {
      assert.ok(error instanceof ConnectError);
      assert.equal(error.code, Code.NotFound);
      assert.match(error.rawMessage, /requested lease not found/);
      return true;
    });
  });

  it("answers 2,000 calls at once", async () => {
    const kv = createClient(KV, client.transport);
    await kv.put({ key: bytes("one"), value: bytes("1") });
    const answers = await Promise.all(Array.from({ length: 2_000 }, () => kv.range({ key: bytes("one") })));
    assert.ok(answers.every(({ kvs }) => kvs[0]?.value[0] === "1".charCodeAt(0)));
  });

  it("streams both ways: keeps a lease alive and watches", async () => {
    const lease = createClient(Lease, client.transport), watch = createClient(Watch, client.transport);
    const kv = createClient(KV, client.transport);
    const { ID } = await lease.leaseGrant({ TTL: 60n });
    async function* twice() {
      yield { ID };
      yield { ID };
    }
    const ttls: bigint[] = [];
    for await (const { TTL } of lease.leaseKeepAlive(twice())) ttls.push(TTL);
    assert.deepEqual(ttls, [60n, 60n]);

    const abort = new AbortController();
    async function* create() {
      yield { requestUnion: { case: "createRequest" as const, value: { key: bytes("seen") } } };
      await new Promise<void>((resolve) => abort.signal.addEventListener("abort", () => resolve()));
    }
    const seen: string[] = [];
    try {
      for await (const { created, events } of watch.watch(create(), { signal: abort.signal })) {
        if (created) { for (let i = 0; i < 20; i++) await kv.put({ key: bytes("seen"), value: bytes(`${i}`) }); }
        for (const { kv } of events) seen.push(new TextDecoder().decode(kv?.value));
        if (seen.length === 20) abort.abort();
      }
    } catch (error) {
      assert.equal(ConnectError.from(error).code, Code.Canceled);
    }
    assert.deepEqual(seen, Array.from({ length: 20 }, (_, i) => `${i}`));
  });

  it("takes 20,000 messages in a stream before it answers, with a PING for each, and calls beside them", async () => {
    const relay = await startPingRelay(`127.0.0.1:${etcd.port}`);
    const link = direct(grpcConnector(), relay.address);
    const watch = createClient(Watch, link.transport), kv = createClient(KV, link.transport);
    const count = 20_000;
    let sent = 0, created = false;
    const abort = new AbortController();
    const ended = new Promise<void>((resolve) => abort.signal.addEventListener("abort", () => resolve()));
    async function* requests() {
      for (; sent < count; sent++) {
        const pinged = relay.nextAnswer();
        // etcd says nothing to who cancels a watch that there is not.
        yield { requestUnion: { case: "cancelRequest" as const, value: { watchId: 1_000_000n + BigInt(sent) } } };
        // Servers in Go measure the bandwidth with one PING per round trip in which content comes. At the pace of a
        // slower client that is one for each message, and nothing else comes from the server meanwhile.
        await Promise.race([pinged, ended]);
      }
      // The first that is answered: etcd has read what came before it then.
      yield { requestUnion: { case: "createRequest" as const, value: { key: bytes("after") } } };
      await ended;
    }
    try {
      for await (const answer of watch.watch(requests(), { signal: abort.signal })) {
        created = answer.created;
        assert.equal(sent, count);
        await kv.put({ key: bytes("beside"), value: bytes("1") });
        assert.equal((await kv.range({ key: bytes("beside") })).kvs.length, 1);
        abort.abort();
      }
    } catch (error) {
      assert.equal(ConnectError.from(error).code, Code.Canceled, `${error} after ${sent} messages`);
    } finally {
      abort.abort();
      await link.close();
      await relay.close();
    }
    assert.ok(created);
    assert.ok(relay.answered > count / 2, `${relay.answered} PINGs for ${count} messages`);
  });
});
