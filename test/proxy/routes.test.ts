import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import * as grpc from "@grpc/grpc-js";
import { createBalancedTransport } from "../../src/index.ts";
import { grpcConnector } from "../../src/node/grpc-connector.ts";
import { Routes } from "../../src/proxy/routes.ts";
import { createProxy } from "../../src/server.ts";
import { createServer } from "node:net";
import { clientJs, proxyFor, serveJs, to, unary } from "./through.ts";

describe("the routes of a proxy", () => {
  it("are chosen by port, authority and path, the most specific one first", () => {
    const target = to(["127.0.0.1:1"]);
    const routes = new Routes([
      { to: target },
      { path: "/a.", to: target },
      { path: "/a.B", to: target },
      { path: "/a.B/C", to: target },
      { authority: "api.example", to: target },
      { authority: "api.example:9000", path: "/a.B", to: target },
      { port: 7, path: "/z/", to: target },
    ]);
    const found = (port: number, authority: string, path: string) => {
      const route = routes.find(port, authority, path)!;
      return [route.port, route.authority, route.path];
    };
    assert.deepEqual(found(1, "x", "/q/q"), [undefined, undefined, "/"]);
    assert.deepEqual(found(1, "x", "/a.Q/q"), [undefined, undefined, "/a."]);
    assert.deepEqual(found(1, "x", "/a.B/q"), [undefined, undefined, "/a.B"]);
    assert.deepEqual(found(1, "x", "/a.B/C"), [undefined, undefined, "/a.B/C"]);
    assert.deepEqual(found(1, "x", "/a.BC/q"), [undefined, undefined, "/a."]);
    assert.deepEqual(found(1, "API.example:1", "/a.B/C"), [undefined, "api.example", "/"]);
    assert.deepEqual(found(1, "api.example:9000", "/a.B/C"), [undefined, "api.example:9000", "/a.B"]);
    assert.deepEqual(found(1, "api.example.evil", "/q/q"), [undefined, undefined, "/"]);
    assert.deepEqual(found(7, "api.example", "/z/q"), [7, undefined, "/z/"]);
  });

  it("say what they serve to calls that fit none", async (t) => {
    const { address, proxy } = await proxyFor(t, {
      routes: [{ path: "/other.Thing", to: to(["127.0.0.1:1"]) }, {
        authority: "api.example",
        to: to(["127.0.0.1:1"]),
      }],
    });
    const { status } = await unary(clientJs(t, address), "x");
    assert.equal(status.code, grpc.status.UNIMPLEMENTED);
    assert.match(status.details, /^proxy: no route for \/any\.Thing\/Unary of 127\.0\.0\.1:\d+\. It serves: /);
    assert.match(status.details, /api\.example \/, any authority \/other\.Thing$/);
    assert.equal(proxy.snapshot().calls.started, 0);
  });

  it("lead to different services from different ports", async (t) => {
    const [a, b] = await Promise.all(["a", "b"].map((name) => {
      return serveJs(t, { unary: (_: unknown, send: grpc.sendUnaryData<Buffer>) => send(null, Buffer.from(name)) });
    }));
    const [first, second] = [await freePort(), await freePort()];
    const proxy = createProxy({ routes: [{ port: first, to: to([a!]) }, { port: second, to: to([b!]) }] });
    t.after(() => {
      void proxy.close();
      proxy.closeAllConnections();
    });
    for (const port of [first, second]) await proxy.listen({ host: "127.0.0.1", port });
    assert.deepEqual((await unary(clientJs(t, `127.0.0.1:${first}`), "x")).messages, ["a"]);
    assert.deepEqual((await unary(clientJs(t, `127.0.0.1:${second}`), "x")).messages, ["b"]);
  });

  it("take a transport that exists, and leave it open", async (t) => {
    const backend = await serveJs(t, {
      unary: (_: unknown, send: grpc.sendUnaryData<Buffer>) => send(null, Buffer.from("a")),
    });
    await using transport = createBalancedTransport(to([backend]));
    const { address, proxy } = await proxyFor(t, { routes: [{ to: transport }] });
    const client = clientJs(t, address);
    assert.deepEqual((await unary(client, "x")).messages, ["a"]);
    client.close();
    await proxy.close();
    assert.equal(transport.snapshot().state, "ready");
  });

  it("are checked when the proxy is made", () => {
    const target = to(["127.0.0.1:1"]), interceptor = (next: unknown) => next as never;
    const wrong = (routes: unknown, message: RegExp) => {
      assert.throws(() => createProxy({ routes: routes as never }), message);
    };
    wrong([], /option routes is an array: expected an array of routes/);
    wrong([{ to: target, paths: "/" }], /no option "routes\[0\]\.paths": did you mean routes\[0\]\.path\?/);
    wrong([{ to: target, path: "a.B" }], /option routes\[0\]\.path is "a\.B": expected the beginning of a path/);
    wrong([{ to: target }, { to: target }], /two routes for any authority \//);
    wrong([{ to: { connector: grpcConnector() } }], /option resolver is undefined/);
    wrong(
      [{ to: { ...target, interceptors: [interceptor] } }],
      /routes\[0\]\.to is an object: .* without interceptors/,
    );
    assert.throws(() => createProxy({ routes: [{ to: target }], idempotent: ["a.B"] }), /option idempotent/);
  });
});

/** A port that nothing listens on for the moment. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
