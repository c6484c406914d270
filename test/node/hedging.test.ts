// Hedging over gRPC: what goes over the wire.
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { fixedHedging } from "../../src/call/fixed-hedging.ts";
import { grpcConnector } from "../../src/node/grpc-connector.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { createBalancedTransport } from "../../src/transport/transport.ts";
import { eventually } from "../support/eventually.ts";
import { ErrorCode, FrameType } from "../support/raw-http2/frame.ts";
import { startRawServer } from "../support/raw-http2/server.ts";

/** A server that answers when the test says so. */
async function server(t: TestContext) {
  const answers = Promise.withResolvers<void>();
  const raw = await startRawServer(async (session) => {
    await session.handshake();
    const id = await session.wholeRequest();
    await answers.promise;
    session.respond(id, { messages: [new Uint8Array(0)] });
    await session.left();
  });
  t.after(async () => {
    answers.resolve();
    await raw.close();
  });
  const frames = (type: number) =>
    raw.sessions.flatMap(({ received }) => received.filter((frame) => frame.type === type));
  return {
    address: raw.address,
    answer: answers.resolve,
    /** How many earlier attempts the request names, for each request. */
    named: () =>
      frames(FrameType.headers).map(({ payload }) =>
        /grpc-previous-rpc-attempts.(\d+)/.exec(new TextDecoder("latin1").decode(payload))?.[1]
      ),
    resets: () => frames(FrameType.rstStream).map(({ payload }) => payload[3]),
  };
}

describe("hedging over gRPC", () => {
  for (const name of ["route", "routeServerStream"] as const) {
    it(`says how many attempts came before, and resets the streams of those that lost (${name})`, async (t) => {
      const servers = [await server(t), await server(t), await server(t)];
      const order: string[] = [];
      const transport = createBalancedTransport({
        resolver: staticResolver(servers.map(({ address }) => address)),
        connector: grpcConnector(),
        defaultServiceConfig: { methods: { "*": { hedging: fixedHedging({ maxAttempts: 3 }) } } },
        observers: [{ attemptStarted: ({ endpoint }) => void order.push(endpoint.address) }],
      });
      t.after(() => transport.close());
      await transport.connect();
      await eventually("all are ready", () => transport.snapshot().endpoints?.every(({ state }) => state === "ready"));
      const client = createClient(Simple, transport);
      const call = (async () => {
        if (name === "route") return void await client.route({});
        for await (const _ of client.routeServerStream({}));
      })();
      await eventually("three requests", () => servers.every(({ named }) => named().length === 1));
      const byOrder = order.map((address) => servers.find((server) => server.address === address)!);
      assert.deepEqual(byOrder.map(({ named }) => named()), [[undefined], ["1"], ["2"]]);
      byOrder[1]!.answer();
      await call;
      await eventually("two resets", () => byOrder.filter(({ resets }) => resets().length === 1).length === 2);
      assert.deepEqual(byOrder.map(({ resets }) => resets()), [[ErrorCode.cancel], [], [ErrorCode.cancel]]);
      assert.ok(transport.snapshot().endpoints!.every(({ inFlight }) => inFlight === 0));
    });
  }
});
