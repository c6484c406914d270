import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import type { BalancedTransportOptions } from "../../src/transport/options.ts";
import { createBalancedTransport } from "../../src/transport/transport.ts";
import { grpcConnector, type GrpcConnectorOptions } from "../../src/node/grpc-connector.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { failureOf } from "../support/balanced.ts";
import { eventually } from "../support/eventually.ts";
import { ErrorCode, FrameType, Setting } from "../support/raw-http2/frame.ts";
import { type RawServer, startRawServer } from "../support/raw-http2/server.ts";
import type { RawSession } from "../support/raw-http2/session.ts";

/** A server that answers every call unless `bears` ends the connection because of its HEADERS. */
async function squeamish(
  t: TestContext,
  bears: (session: RawSession, id: number, headers: Uint8Array) => boolean,
  settings: [id: number, value: number][] = [],
): Promise<RawServer> {
  const server = await startRawServer(async (session) => {
    await session.handshake(settings);
    for (;;) {
      const { streamId, payload } = await session.read(({ type }) => type === FrameType.headers);
      if (bears(session, streamId, payload)) session.respond(streamId, { messages: [new Uint8Array(0)] });
    }
  });
  t.after(() => server.close());
  return server;
}

async function connected(
  t: TestContext,
  servers: readonly RawServer[],
  options: Partial<BalancedTransportOptions> = {},
  connectorOptions: GrpcConnectorOptions = {},
) {
  const ends: string[] = [];
  const transport = createBalancedTransport({
    resolver: staticResolver(servers.map(({ address }) => address)),
    connector: grpcConnector(connectorOptions),
    random: () => 0,
    onAttempt: ({ end }) => void ends.push(end),
    ...options,
  });
  t.after(() => transport.close());
  await transport.connect();
  const states = () => transport.snapshot().endpoints!.map(({ state }) => state);
  await eventually("all are ready", () => states().every((state) => state === "ready"));
  return { client: createClient(Simple, transport), transport, states, ends };
}

/** Whether the header block has the name of the field with which a call says that a server can't bear it. */
const isPoison = (headers: Uint8Array) => new TextDecoder("latin1").decode(headers).includes("x-poison");
const POISON = { headers: { "x-poison": "1" } };

describe("a call whose header section is too large", () => {
  for (
    const [what, settings, connectorOptions, most] of [
      ["for the default limit", [], {}, 60 * 1024],
      ["for the limit of its connector", [], { limits: { maxRequestHeaderListBytes: 9_000 } }, 9_000],
      ["for its server", [[Setting.maxHeaderListSize, 8_192]], {}, 8_192],
    ] as [string, [number, number][], GrpcConnectorOptions, number][]
  ) {
    it(`${what} fails without retries, with its size, before it is sent, and the connection goes on`, async (t) => {
      const servers = [await squeamish(t, () => true, settings), await squeamish(t, () => true, settings)];
      const retry = { methods: ["proto.Simple"], codes: [Code.ResourceExhausted, Code.Internal, Code.Unavailable] };
      const { client, states, ends } = await connected(t, servers, { retry }, connectorOptions);
      const error = await failureOf(client.route({}, { headers: { "x-large": "v".repeat(most) } }));
      assert.ok(error instanceof ConnectError);
      assert.equal(error.code, Code.ResourceExhausted);
      const [, bytes, limit] = /headers are (\d+) bytes, larger than the (\d+) bytes/.exec(error.message)!;
      assert.ok(Number(bytes) > most && Number(bytes) < most + 1_000, error.message);
      assert.equal(Number(limit), most);
      assert.deepEqual(ends, ["maybe-processed"]);
      const streamed = await failureOf((async () => {
        for await (const _ of client.routeServerStream({}, { headers: { "x-large": "v".repeat(most) } }));
      })());
      assert.equal(ConnectError.from(streamed).code, Code.ResourceExhausted);
      for (let i = 0; i < 4; i++) await client.route({}, { headers: { "x-large": "v".repeat(most - 1_000) } });
      assert.deepEqual(states(), ["ready", "ready"]);
      assert.deepEqual(servers.map(({ sessions }) => sessions.length), [1, 1]);
    });
  }
});

describe("a call that makes a server end its connection", () => {
  for (const name of ["compressionError", "enhanceYourCalm", "protocolError"] as const) {
    for (const answeredIt of [false, true]) {
      it(`with ${name}, ${answeredIt ? "among" : "behind"} the streams that it handles, ends no other`, async (t) => {
        const servers: RawServer[] = [];
        for (let i = 0; i < 3; i++) {
          servers.push(
            await squeamish(t, (session, id, headers) => {
              if (!isPoison(headers)) return true;
              session.goaway(answeredIt ? id : Math.max(0, id - 2), ErrorCode[name]);
              session.end();
              return false;
            }),
          );
        }
        const retry = { methods: ["proto.Simple"] };
        const { client, ends } = await connected(t, servers, { retry });
        for (let i = 0; i < 6; i++) await client.route({});
        const error = await failureOf(client.route({}, POISON));
        assert.ok(error instanceof ConnectError);
        assert.equal(error.code, Code.Internal);
        assert.match(error.message, /GOAWAY .*no other server is tried/);
        assert.deepEqual(ends.slice(6), [answeredIt ? "maybe-processed" : "refused"]);
        for (let i = 0; i < 6; i++) await client.route({});
      });
    }
  }

  it("ends two at most when others were sent behind it, and costs one of those on each at most", async (t) => {
    const servers: RawServer[] = [];
    let ended = 0;
    for (let i = 0; i < 4; i++) {
      servers.push(
        await squeamish(t, (session, id, headers) => {
          if (!isPoison(headers)) return true;
          ended++;
          // It has read on before it noticed.
          void session.request().then(() => {
            session.goaway(Math.max(0, id - 2), ErrorCode.compressionError);
            session.end();
          });
          return false;
        }),
      );
    }
    const { client, states } = await connected(t, servers);
    const poison = failureOf(client.route({}, POISON));
    let over = false;
    void poison.then(() => over = true);
    const others: Promise<boolean>[] = [];
    await eventually("it has failed", () => {
      for (let i = 0; i < 4; i++) others.push(client.route({}).then(() => true, () => false));
      return over;
    });
    assert.match(String(await poison), /GOAWAY COMPRESSION_ERROR/);
    assert.equal(ended, 2);
    // What was the last thing sent on each of the two connections is taken for the cause.
    const failed = (await Promise.all(others)).filter((answered) => !answered).length;
    assert.ok(failed <= 2, `${failed} of ${others.length} others failed`);
    await eventually("all are ready again", () => states().every((state) => state === "ready"));
  });

  it("but not one that had to do with its pings goes to another server", async (t) => {
    let first = true;
    const servers: RawServer[] = [];
    for (let i = 0; i < 2; i++) {
      servers.push(
        await squeamish(t, (session, id) => {
          if (!first) return true;
          first = false;
          session.goaway(Math.max(0, id - 2), ErrorCode.enhanceYourCalm, "too_many_pings");
          session.end();
          return false;
        }),
      );
    }
    const { client, ends } = await connected(t, servers);
    await client.route({});
    assert.deepEqual(ends, ["refused", "answered"]);
  });
});
