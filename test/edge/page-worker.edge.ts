// Runs in `npm run test:edge`, on Node: the live page of a Worker in workerd.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Difference, PageState } from "../../src/page.ts";
import { createGrpcServer, type GrpcServer } from "../../src/server.ts";
import { EventReader } from "../observe/page/read-events.ts";
import { simpleRoutes } from "../support/simple.ts";
import { startWorkerd, type Workerd } from "./workerd.ts";

describe("the live page of a Worker", () => {
  let server: GrpcServer, workerd: Workerd;
  before(async () => {
    server = createGrpcServer({ routes: simpleRoutes({ name: "A" }) });
    const { address } = await server.listen({ host: "127.0.0.1", port: 0 });
    workerd = await startWorkerd("test/edge/page-worker.ts", { vars: { SERVER: address } });
  });
  after(async () => {
    await workerd?.stop();
    void server?.close();
    server?.closeAllConnections();
  });

  it("sends what changes to each of its viewers, whichever of them leaves first", async () => {
    await workerd.json("/call");
    const open = async () => {
      const left = new AbortController();
      return { left, events: new EventReader(await fetch(`${workerd.url}/events`, { signal: left.signal })) };
    };
    const [first, second] = [await open(), await open()];
    for (const { events } of [first, second]) {
      const { event, data } = (await events.next<PageState>())!;
      assert.equal(event, "state");
      assert.equal(Object.values(data.services)[0]?.calls, 1);
    }
    assert.equal((await first.events.next())?.event, "change");
    first.left.abort();
    await workerd.json("/call");
    for (let calls = 1; calls < 2;) {
      const { data } = (await second.events.next<Difference>())!;
      calls = (Object.values(data.changed?.services ?? {})[0] as { calls?: number } | undefined)?.calls ?? calls;
    }
    const { calls } = await workerd.json<PageState>("/snapshot");
    assert.equal(Object.values(calls).length, 2);
    second.left.abort();
  });
});
