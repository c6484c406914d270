// The server's connections of HTTP/1.1, from a client that keeps them.

import assert from "node:assert/strict";
import http from "node:http";
import net from "node:net";
import { describe, it, type TestContext } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { createGrpcServer, type CreateGrpcServerOptions, shutdown } from "../../src/server.ts";
import { eventually } from "../support/eventually.ts";

/** A server of the demo service, and a client that has one connection and keeps it. */
async function serve(
  t: TestContext,
  options: Partial<CreateGrpcServerOptions> = {},
  agent: http.Agent = new http.Agent({ keepAlive: true, maxSockets: 1 }),
) {
  const server = createGrpcServer({
    routes: (router) =>
      router.service(Simple, {
        route: ({ data }) => ({ value: String(data.length) }),
      }),
    ...options,
  });
  const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
  t.after(async () => {
    agent.destroy();
    server.closeAllConnections();
    await server.close();
  });
  /** Calls `route`, in chunks, so that the server learns its length as it reads. */
  const call = (length: number) =>
    new Promise<string>((resolve, reject) => {
      const headers = { "content-type": "application/json", "transfer-encoding": "chunked" };
      const path = "/proto.Simple/Route";
      const request = http.request({ host: "127.0.0.1", port, path, method: "POST", agent, headers }, (response) => {
        let text = "";
        response.on("data", (chunk) => text += chunk);
        response.on("end", () => resolve(`${response.statusCode} ${text}`));
        response.on("error", reject);
      });
      request.on("error", reject);
      request.end(JSON.stringify({ data: "x".repeat(length) }));
    });
  return { server, call, port };
}

describe("a server's connections of HTTP/1.1", () => {
  it("end at a shutdown when they are idle", async (t) => {
    const { server, call } = await serve(t);
    assert.equal(await call(1), '200 {"value":"1"}');
    assert.equal(await shutdown(server, { drainMs: 30_000 }), true);
    assert.equal(server.connections, 0);
  });

  it("end at a shutdown after the response that was on its way", async (t) => {
    let answer: (() => void) | undefined;
    const { server, call } = await serve(t, {
      routes: (router) =>
        router.service(Simple, { route: () => new Promise((resolve) => answer = () => resolve({ value: "late" })) }),
    });
    const called = call(1);
    await eventually("the handler runs", () => answer);
    const down = shutdown(server, { drainMs: 30_000 });
    answer!();
    assert.equal(await called, '200 {"value":"late"}');
    assert.equal(await down, true);
  });

  it("tell a handler that its client has left, with the reason that it has over HTTP/2", async (t) => {
    const signals: AbortSignal[] = [];
    const { port } = await serve(t, {
      routes: (router) =>
        router.service(Simple, {
          route: (_, { signal }) =>
            new Promise((resolve) => {
              signals.push(signal);
              signal.addEventListener("abort", () => resolve({}));
            }),
        }),
    });
    const headers = { "content-type": "application/json" };
    const request = http.request({ port, host: "127.0.0.1", method: "POST", path: "/proto.Simple/Route", headers });
    request.on("error", () => {});
    request.end("{}");
    await eventually("the handler runs", () => signals.length > 0);
    request.destroy();
    await eventually("its signal aborts", () => signals[0]!.aborted);
    const { reason } = signals[0]!;
    assert.ok(reason instanceof ConnectError, `${reason}`);
    assert.equal(reason.code, Code.Canceled);
  });

  it("serve the next request after one that was refused before all of it was read", async (t) => {
    const { call } = await serve(t, { readMaxBytes: 100_000 });
    for (let i = 0; i < 5; i++) {
      assert.match(await call(3_000_000), /^429 .*resource_exhausted/);
      assert.equal(await call(90_000), '200 {"value":"90000"}');
    }
  });

  it("answer a client that is still sending a request that was refused, even if they end then", async (t) => {
    const { call, server } = await serve(t, { readMaxBytes: 100_000 }, new http.Agent({ keepAlive: false }));
    for (let i = 0; i < 5; i++) assert.match(await call(3_000_000), /^429 .*resource_exhausted/);
    await eventually("they have ended", () => server.connections === 0);
  });

  it("read requests that come in pieces in their order", async (t) => {
    const { port } = await serve(t);
    const head =
      "POST /proto.Simple/Route HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n";
    const ask = (turns: number) =>
      new Promise<string>((resolve) => {
        let text = "";
        const socket = net.connect(port, "127.0.0.1");
        socket.on("data", (chunk) => text += chunk).on("error", () => {}).on("close", () => resolve(text));
        socket.write(`${head}content-length: 14\r\n\r\n`, async () => {
          for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
          socket.write('{"data":"abc"}');
        });
      });
    for (let round = 0; round < 20; round++) {
      const answers = await Promise.all(Array.from({ length: 16 }, (_, turns) => ask(turns)));
      for (const answer of answers) assert.match(answer, /^HTTP\/1\.1 200 [^]*\{"value":"3"\}/);
    }
  });

  it("end at a shutdown once the rest of a refused request has come", async (t) => {
    const { port, server } = await serve(t, { readMaxBytes: 1_000 });
    const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    let text = "";
    socket.on("data", (chunk) => text += chunk);
    const closed = new Promise((resolve) => socket.on("end", resolve));
    const head = "POST /proto.Simple/Route HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    socket.write(`${head}content-length: 10000\r\n\r\n${"x".repeat(5_000)}`);
    await eventually("the whole answer", () => /^HTTP\/1\.1 429 [^]*resource_exhausted/.test(text));
    const down = shutdown(server, { drainMs: 30_000 });
    socket.end("x".repeat(5_000));
    await closed;
    assert.equal(await down, true);
  });

  it("end once the rest of a refused request has come", async (t) => {
    const { port, server } = await serve(t, { readMaxBytes: 1_000 });
    const socket = net.connect(port, "127.0.0.1");
    let text = "";
    socket.on("data", (chunk) => text += chunk);
    const closed = new Promise((resolve) => socket.on("close", resolve));
    const head =
      "POST /proto.Simple/Route HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n";
    socket.write(`${head}content-length: 10000\r\n\r\n${"x".repeat(5_000)}`);
    await eventually("the whole answer", () => /^HTTP\/1\.1 429 [^]*resource_exhausted/.test(text));
    // Bun half-closes it at once, and Node's client then does, too.
    if (!("Bun" in globalThis)) assert.equal(server.connections, 1);
    socket.on("error", () => {}).write("x".repeat(5_000));
    await closed;
    await eventually("it has ended", () => server.connections === 0);
  });
});
