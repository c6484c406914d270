import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { Code, createClient, createRouterTransport } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { createBalancedTransport } from "../../src/transport/transport.ts";
import { transportConnector } from "../../src/connection/transport-connector.ts";
import { grpcConnector } from "../../src/node/grpc-connector.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { ErrorCode, FrameType } from "../support/raw-http2/frame.ts";
import { startRawServer } from "../support/raw-http2/server.ts";
import { OK_HEADERS } from "../support/raw-http2/session.ts";
import { simpleRoutes } from "../support/simple.ts";

/** A server that does one after another what it is told; gives each request's header block as text. */
async function scripted(t: TestContext, does: readonly ("refuse" | "unavailable" | "answer")[]) {
  const blocks: string[] = [];
  const server = await startRawServer(async (session) => {
    await session.handshake();
    for (const what of does) {
      const id = await session.wholeRequest();
      const { payload } = session.received.filter(({ type }) => type === FrameType.headers).at(-1)!;
      blocks.push(new TextDecoder("latin1").decode(payload));
      if (what === "refuse") session.rst(id, ErrorCode.refusedStream);
      else if (what === "unavailable") {
        // Trailers alone: a stream is committed to an attempt that brings headers.
        session.headers(id, [...OK_HEADERS, ["grpc-status", "14"]], { endStream: true });
      } else session.respond(id, { messages: [new Uint8Array(0)] });
    }
    await session.left();
  });
  t.after(() => server.close());
  const said = () => blocks.map((block) => /grpc-previous-rpc-attempts.(\d+)/.exec(block)?.[1]);
  return { address: server.address, said };
}

function clientOf(t: TestContext, address: string) {
  const transport = createBalancedTransport({
    resolver: staticResolver([address]),
    connector: grpcConnector(),
    random: () => 0,
    retry: { methods: ["proto.Simple"], maxAttempts: 5 },
  });
  t.after(() => transport.close());
  return createClient(Simple, transport);
}

describe("grpc-previous-rpc-attempts (gRFC A6)", () => {
  it("says how many attempts were answered before, and counts none that was refused", async (t) => {
    const { address, said } = await scripted(t, ["refuse", "unavailable", "refuse", "unavailable", "answer"]);
    const headers = new Headers({ "x-mine": "1" });
    await clientOf(t, address).route({}, { headers });
    assert.deepEqual(said(), [undefined, undefined, "1", "1", "2"]);
    assert.deepEqual([...headers], [["x-mine", "1"]]);
  });

  it("is said of streams, too, whatever the caller says", async (t) => {
    const { address, said } = await scripted(t, ["unavailable", "answer"]);
    const headers = { "grpc-previous-rpc-attempts": "7" };
    for await (const _ of clientOf(t, address).routeServerStream({}, { headers }));
    assert.deepEqual(said(), ["7", "1"]);
  });

  it("is not said over other protocols, whose servers may refuse a header that they don't know", async (t) => {
    const seen: (string | null)[] = [];
    let first = true;
    const connector = transportConnector(() => {
      const inner = createRouterTransport(simpleRoutes({ name: "a" }));
      return {
        ...inner,
        unary: (method, signal, timeoutMs, header, ...rest) => {
          seen.push(new Headers(header).get("grpc-previous-rpc-attempts"));
          if (!first) return inner.unary(method, signal, timeoutMs, header, ...rest);
          first = false;
          return Promise.reject(new Error("lost"));
        },
      };
    });
    const transport = createBalancedTransport({
      resolver: staticResolver(["a:1"]),
      connector,
      retry: { methods: ["proto.Simple"], codes: [Code.Unknown] },
    });
    t.after(() => transport.close());
    await createClient(Simple, transport).route({ data: "x" });
    assert.deepEqual(seen, [null, null]);
  });
});
