import assert from "node:assert/strict";
import { createServer, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { createClient } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { Simple } from "../../gen/simple_pb.ts";
import { grpcConnector, type TlsOptions } from "../../src/node/grpc-connector.ts";
import { eventually } from "../support/eventually.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { simpleRoutes } from "../support/simple.ts";
import { startSimpleServer } from "../support/servers/simple.ts";
import * as tls from "../support/tls.ts";

/** A server that counts the connections it has and had. */
async function countingServer(t: TestContext) {
  const sessions = new Set<ServerHttp2Session>();
  let opened = 0;
  const server = createServer(connectNodeAdapter({ routes: simpleRoutes({ name: "a" }) }));
  server.on("session", (session) => {
    opened++;
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  return { address: `127.0.0.1:${port}`, open: () => sessions.size, opened: () => opened };
}

const events = { draining() {}, lost() {} };

describe("a connection with a maximum age", () => {
  it("is replaced by another one, and ends with its last call", async (t) => {
    const server = await countingServer(t);
    const clock = new ManualClock();
    const told: string[] = [];
    const link = grpcConnector({ maxAgeMs: 60_000, clock, keepalive: false })({ address: server.address }, {
      draining: () => told.push("draining"),
      lost: () => told.push("lost"),
    });
    t.after(() => link.close());
    await link.connect?.(new AbortController().signal);
    const simple = createClient(Simple, link.transport);
    await simple.route({ data: "x" });
    let say = (_: string) => {};
    let word = new Promise<string>((resolve) => say = resolve);
    async function* talk() {
      for (let data = await word; data !== "bye"; data = await word) {
        word = new Promise((resolve) => say = resolve);
        yield { data };
      }
    }
    const talking = simple.routeBidiStream(talk())[Symbol.asyncIterator]();
    say("1");
    assert.equal((await talking.next()).value?.value, "a: hello 1");

    await clock.advance(67_000);
    await eventually("another connection is open", () => server.opened() === 2);
    await eventually("calls go to it", async () => {
      await simple.route({ data: "y" });
      return server.open() === 2;
    });
    say("2");
    assert.equal((await talking.next()).value?.value, "a: hello 2");
    say("bye");
    assert.equal((await talking.next()).done, true);
    await eventually("the old one has ended", () => server.open() === 1);
    await simple.route({ data: "z" });
    assert.equal(server.opened(), 2);
    assert.deepEqual(told, []);
  });

  it("stays in use while another one can't be opened", async (t) => {
    const clock = new ManualClock();
    let dials = 0;
    // What can't be opened anew: a TLS source that fails the second time. Plaintext endpoints don't ask it.
    const secure = await startSimpleServer({ tls: tls.server });
    t.after(() => secure.close());
    const source = (): TlsOptions => {
      if (++dials === 2) throw new Error("no certificate for now");
      return { ca: tls.ca };
    };
    const link = grpcConnector({ maxAgeMs: 1_000, clock, keepalive: false, tls: source })(
      { address: secure.address },
      events,
    );
    t.after(() => link.close());
    await link.connect?.(new AbortController().signal);
    const simple = createClient(Simple, link.transport);
    await clock.advance(1_100);
    assert.equal(dials, 2);
    await simple.route({ data: "x" });
    await clock.advance(1_100);
    assert.equal(dials, 3);
    await simple.route({ data: "y" });
  });
});

describe("tls as a function", () => {
  it("is asked at each opening, so that certificates can change", async (t) => {
    const server = await startSimpleServer({ tls: tls.server });
    t.after(() => server.close());
    let ca = tls.client.cert;
    const link = grpcConnector({ tls: () => Promise.resolve({ ca }) })({ address: server.address }, events);
    t.after(() => link.close());
    const connect = async () => await link.connect?.(AbortSignal.timeout(10_000));
    await assert.rejects(connect(), /can't connect .*certificate/);
    ca = tls.ca;
    await connect();
    assert.equal((await createClient(Simple, link.transport).route({ data: "x" })).value, "hello x");
  });

  it("fails the opening when it throws, and ends with it when it never answers", async (t) => {
    const throwing = grpcConnector({
      tls: () => {
        throw new Error("no certificate");
      },
    })({ address: "127.0.0.1:1" }, events);
    await assert.rejects(
      throwing.connect!(AbortSignal.timeout(10_000)),
      /can't connect to 127\.0\.0\.1:1: no certificate/,
    );
    const silent = grpcConnector({ tls: () => new Promise<TlsOptions>(() => {}), connectTimeoutMs: 50 })(
      { address: "127.0.0.1:1" },
      events,
    );
    await assert.rejects(silent.connect!(AbortSignal.timeout(10_000)), /no HTTP\/2 server answered within 50 ms/);
    t.after(() => Promise.all([throwing.close(), silent.close()]));
  });
});
