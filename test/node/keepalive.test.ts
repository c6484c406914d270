import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { createBalancedTransport } from "../../src/transport/transport.ts";
import { grpcConnector, type KeepaliveOptions } from "../../src/node/grpc-connector.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { eventually } from "../support/eventually.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { startSimpleServer } from "../support/servers/simple.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";

/** A balanced transport to a server behind a path that can forget connections; links live by a clock of their own. */
async function behindNat(t: TestContext, keepalive: KeepaliveOptions) {
  const server = await startSimpleServer();
  const path = await startTcpProxy(server.address);
  const clock = new ManualClock();
  const transport = createBalancedTransport({
    resolver: staticResolver([path.address]),
    connector: grpcConnector({ clock, keepalive }),
  });
  t.after(async () => {
    await transport.close();
    await path.close();
    await server.close();
  });
  await transport.connect();
  return { server, path, clock, transport, simple: createClient(Simple, transport) };
}

async function* one(data: string) {
  yield { data };
}

/** Turns a clock on, a little at a time, until a promise is settled. */
async function meanwhile<T>(clock: ManualClock, promise: Promise<T>): Promise<T> {
  let settled = false;
  const settle = () => void (settled = true);
  promise.then(settle, settle);
  await eventually("it is settled", async () => {
    await clock.advance(50);
    return settled;
  });
  return await promise;
}

describe("a path that forgets connections on which nothing comes and goes", () => {
  it("loses no call, of whatever method: the first after the silence is sent where a ping is answered", async (t) => {
    const { server, path, clock, simple } = await behindNat(t, { intervalMs: 30_000, timeoutMs: 1_000 });
    await simple.route({ data: "before" });
    await clock.advance(60_000);
    // The connection is open on this side alone; new ones work.
    path.halfOpen();
    // Not an idempotent method: once sent it could not be sent again.
    const answer = await meanwhile(clock, simple.routeClientStream(one("after")));
    assert.equal(answer.value, "hello 1");
    assert.deepEqual([server.received, path.accepted], [["before", "after"], 2]);
  });

  it("is noticed by calls that are given up one after another", async (t) => {
    const { path, clock, simple, transport } = await behindNat(t, { intervalMs: 1_000, timeoutMs: 500 });
    await simple.route({ data: "before" });
    path.blackHole();
    const state = () => transport.snapshot().endpoints?.[0]?.state;
    for (let ms = 0; ms < 1_500; ms += 500) {
      assert.equal(state(), "ready", `after ${ms} ms`);
      const gaveUp = new AbortController();
      const call = assert.rejects(simple.route({ data: "lost" }, { signal: gaveUp.signal }));
      await clock.advance(300);
      gaveUp.abort();
      await call;
      await clock.advance(200);
    }
    assert.notEqual(state(), "ready");
  });

  it("is kept open, and noticed without calls, where pings need no calls", async (t) => {
    const { path, clock, transport } = await behindNat(t, { intervalMs: 1_000, timeoutMs: 500, withoutCalls: true });
    path.blackHole();
    await clock.advance(1_500);
    await eventually("it is noticed", () => transport.snapshot().endpoints?.[0]?.state !== "ready");
    assert.match(transport.snapshot().endpoints![0]!.lastError!.message, /no answer to a keepalive ping within 500 ms/);
  });
});
