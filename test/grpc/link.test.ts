import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { grpcConnector, type GrpcConnectorOptions } from "../../src/node/grpc-connector.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { eventually } from "../support/eventually.ts";
import { ErrorCode, FrameType } from "../support/raw-http2/frame.ts";
import { startRawServer } from "../support/raw-http2/server.ts";
import { failure, script } from "./link.ts";

/** A link that isn't open yet; closed when the test ends. */
function link(t: TestContext, address: string, options: GrpcConnectorOptions = {}) {
  const told: string[] = [];
  const link = grpcConnector(options)({ address }, {
    draining: () => told.push("draining"),
    lost: (cause) => told.push(`lost: ${cause?.message}`),
  });
  t.after(() => link.close());
  return {
    link,
    told,
    simple: createClient(Simple, link.transport),
    connect: () => link.connect!(AbortSignal.timeout(10_000)),
  };
}

describe("a link of our own", () => {
  it("opens one connection, however often it is asked at once", async (t) => {
    const server = await startRawServer(async (session) => {
      await session.handshake();
      await session.left();
    });
    t.after(() => server.close());
    const { connect } = link(t, server.address);
    await Promise.all([connect(), connect()]);
    await connect();
    assert.equal(server.sessions.length, 1);
  });

  it("after GOAWAY drains, and is lost without a cause when it has", async (t) => {
    let goOn = () => {};
    const address = await script(t, async (session) => {
      await session.handshake();
      const id = await session.wholeRequest();
      session.goaway(id);
      await new Promise<void>((resolve) => goOn = resolve);
      session.respond(id, { trailers: [["grpc-status", "9"]] });
      await session.left();
    });
    const { connect, simple, told } = link(t, address);
    await connect();
    const call = failure(simple.route({}));
    await eventually("it drains", () => told.length === 1);
    assert.equal((await failure(simple.route({}))).mark, "not-sent");
    goOn();
    assert.equal((await call).error.code, Code.FailedPrecondition);
    assert.deepEqual(told, ["draining", "lost: undefined"]);
  });

  it("opens again after it was lost", async (t) => {
    const address = await script(t, async (session, index) => {
      await session.handshake();
      const id = await session.wholeRequest();
      if (index === 0) return session.destroy();
      session.respond(id, { trailers: [["grpc-status", "9"]] });
      await session.left();
    });
    const { connect, simple, told } = link(t, address);
    await connect();
    const { error, mark } = await failure(simple.route({}));
    assert.deepEqual([error.code, mark, told.length], [Code.Unavailable, undefined, 1]);
    await connect();
    assert.equal((await failure(simple.route({}))).error.code, Code.FailedPrecondition);
  });

  it("pings half as often after a server found it too often", async (t) => {
    const clock = new ManualClock();
    const address = await script(t, async (session, index) => {
      await session.handshake();
      await session.wholeRequest();
      if (index > 0) return void await session.left();
      await session.read(({ type }) => type === FrameType.ping);
      session.goaway(1, ErrorCode.enhanceYourCalm, "too_many_pings");
      session.end();
    });
    const { connect, simple } = link(t, address, { clock, keepalive: { intervalMs: 100, timeoutMs: 50 } });
    await connect();
    const call = failure(simple.route({}));
    assert.deepEqual(clock.pending, [100]);
    await clock.advance(100);
    assert.equal((await call).error.code, Code.Unavailable);
    await connect();
    const controller = new AbortController();
    const next = failure(simple.route({}, { signal: controller.signal }));
    assert.deepEqual(clock.pending, [200]);
    controller.abort();
    assert.equal((await next).error.code, Code.Canceled);
  });

  it("may be closed twice, with a call in flight, and while it opens", async (t) => {
    const address = await script(t, async (session, index) => {
      if (index === 1) return void await session.left();
      await session.handshake();
      await session.left();
    });
    const { connect, link: open, simple } = link(t, address);
    await connect();
    const call = failure(simple.route({}));
    await Promise.all([open.close(60_000), open.close(), open.close()]);
    assert.equal((await call).error.code, Code.Unavailable);
    await assert.rejects(connect(), /is closed/);
    const opening = link(t, address);
    const connecting = opening.connect();
    await opening.link.close();
    await assert.rejects(connecting, /can't connect to 127\.0\.0\.1.*the link was closed/);
  });

  it("that is closed while it dials gives the socket back at once", async (t) => {
    // It takes the connection, and never says a word of TLS.
    let dialled = false, left = false;
    const address = await script(t, async (session) => {
      dialled = true;
      await session.left();
      left = true;
    });
    const { connect, link: opening } = link(t, address, { tls: {} });
    const connecting = connect();
    const refused = assert.rejects(connecting, /can't connect to 127\.0\.0\.1.*the link was closed/);
    await eventually("it dials", () => dialled);
    await opening.close();
    await refused;
    await eventually("the server is left", () => left);
  });
});
