// What limits turn away is counted.
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Simple } from "../../gen/simple_pb.ts";
import { createGrpcServer, type CreateGrpcServerOptions } from "../../src/server.ts";
import { proxyFor, to } from "../proxy/through.ts";
import { begin, request, statusOf, valueOf } from "../proxy/raw.ts";
import { eventually } from "../support/eventually.ts";
import { connectRaw, type RawClient } from "../support/raw-http2/client.ts";
import { ErrorCode } from "../support/raw-http2/frame.ts";
import type { Field } from "../support/raw-http2/header-block.ts";

const NONE = { connections: 0, streams: 0, headers: 0, buffered: 0, floods: 0 };
const PATH = "/proto.Simple/RouteClientStream";

type Limits = CreateGrpcServerOptions["limits"];

/** A server whose calls don't end by themselves. */
async function serve(t: TestContext, limits: Limits) {
  const server = createGrpcServer({
    routes: (router) =>
      router.service(Simple, {
        async routeClientStream(_, { signal }) {
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          return {};
        },
      }),
    limits,
  });
  // Its clients leave later.
  t.after(() => {
    void server.close();
    server.closeAllConnections();
  });
  return { server, ...await server.listen({ host: "127.0.0.1", port: 0 }) };
}

async function connected(t: TestContext, port: number): Promise<RawClient> {
  const client = await connectRaw(port);
  t.after(() => client.destroy());
  await client.handshake();
  return client;
}

/** A request whose header section is larger than 8 KiB. */
const large = () => request(PATH, [["x-large", "x".repeat(10_000)]]);

/** Makes a request that has no content; returns its stream's id. */
function ask(client: RawClient, fields: readonly Field[]): number {
  const id = client.nextId();
  client.headers(id, fields, { endStream: true });
  return id;
}

/** Pings until its connection ends. */
async function flood(client: RawClient): Promise<void> {
  for (let i = 0; i < 10; i++) client.ping();
  assert.equal((await client.reply(0)).goaway, ErrorCode.enhanceYourCalm);
}

describe("what a server's limits turn away", () => {
  it("is counted by its snapshot: connections, streams, header sections and floods", async (t) => {
    const { server, port } = await serve(t, { maxConcurrentStreams: 1, maxConnections: 1, maxHeaderListBytes: 8_192 });
    assert.deepEqual(server.snapshot().refused, NONE);
    const client = await connected(t, port);
    assert.equal(valueOf((await client.reply(ask(client, large()))).sections[0], ":status"), "431");
    begin(client, request(PATH));
    assert.equal((await client.reply(begin(client, request(PATH)))).reset, ErrorCode.refusedStream);
    const another = await connectRaw(port);
    t.after(() => another.destroy());
    await eventually("it is turned away", () => server.snapshot().refused.connections === 1);
    assert.deepEqual(server.snapshot().refused, { ...NONE, connections: 1, streams: 1, headers: 1 });
    await flood(client);
    await eventually("it is counted", () => server.snapshot().refused.floods === 1);
  });

  it("is counted by a proxy, too, with calls that have no route and requests that it doesn't take", async (t) => {
    const { server, address } = await serve(t, {});
    const { proxy, port } = await proxyFor(t, {
      routes: [{ path: "/proto.Simple", to: to([address]) }],
      limits: { maxConcurrentStreams: 1, maxHeaderListBytes: 8_192, maxBufferedBytes: 20_000 },
    });
    const client = await connected(t, port);
    assert.equal(valueOf((await client.reply(ask(client, large()))).sections[0], ":status"), "431");
    const unknown = await client.reply(begin(client, request("/other.Service/Method")));
    assert.equal(statusOf(unknown), "12");
    const get = request(PATH).map(([name, value]): Field => [name, name === ":method" ? "GET" : value]);
    const got = await client.reply(ask(client, get));
    assert.equal(valueOf(got.sections[0], ":status"), "405");
    const id = begin(client, request(PATH));
    await eventually("the server has it", () => server.snapshot().inFlight === 1);
    assert.equal((await client.reply(begin(client, request(PATH)))).reset, ErrorCode.refusedStream);
    client.rst(id, ErrorCode.cancel);
    await eventually("it is over", () => proxy.snapshot().inFlight === 0);
    assert.deepEqual(proxy.snapshot().refused, { ...NONE, headers: 1, streams: 1, noRoute: 1, unsupported: 1 });
  });

  it("is counted when unfinished requests are too many bytes", async (t) => {
    const { server, port } = await serve(t, { maxBufferedBytes: 10_000 });
    const client = await connected(t, port);
    const id = begin(client, request("/proto.Simple/Route"));
    client.data(id, new Uint8Array(12_000));
    assert.equal(statusOf(await client.reply(id)), "8");
    assert.deepEqual(server.snapshot().refused, { ...NONE, buffered: 1 });
  });
});
