import assert from "node:assert/strict";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { eventually } from "./eventually.ts";
import { startTcpProxy } from "./tcp-proxy.ts";

/** An echo server behind a proxy. */
async function behindProxy(t: TestContext) {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    socket.on("data", (bytes) => socket.write(bytes));
    socket.on("end", () => socket.end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const proxy = await startTcpProxy(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  t.after(async () => {
    await proxy.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { proxy, sockets };
}

/** A client's socket with what came over it. */
function client(t: TestContext, port: number) {
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  const seen = { socket, text: "", ended: false, closed: false, error: "" };
  socket.setEncoding("utf8");
  socket.on("data", (text) => seen.text += text);
  socket.on("end", () => seen.ended = true);
  socket.on("close", () => seen.closed = true);
  socket.on("error", (error) => seen.error = (error as { code?: string }).code ?? error.message);
  t.after(() => void socket.destroy());
  return seen;
}

/** A connection that isn't in the hole shows that there was time enough for the others. */
async function timeForAnEcho(t: TestContext) {
  const { proxy } = await behindProxy(t);
  const probe = client(t, proxy.port);
  probe.socket.write("d");
  await eventually("the echo beside the hole", () => probe.text === "d");
}

describe("a TCP proxy", () => {
  it("passes bytes and ends on, both ways", async (t) => {
    const { proxy } = await behindProxy(t);
    const one = client(t, proxy.port);
    const big = "x".repeat(3 << 20);
    one.socket.write("hello ");
    one.socket.end(big);
    await eventually("the echo and its end", () => one.text.length === 6 + big.length && one.ended);
    assert.equal(one.text, `hello ${big}`);
    assert.equal(proxy.accepted, 1);
    await eventually("the proxy to forget it", () => proxy.open === 0);
  });

  it("delays each way, in order", async (t) => {
    const { proxy } = await behindProxy(t);
    proxy.delay(60);
    const one = client(t, proxy.port);
    const startMs = performance.now();
    one.socket.write("a");
    setTimeout(() => one.socket.write("b"), 5);
    await eventually("the echo", () => one.text === "ab");
    assert.ok(performance.now() - startMs >= 119, `${performance.now() - startMs} ms for two ways of 60 ms`);
  });

  it("lets nothing through while it is a black hole, and everything afterwards", async (t) => {
    const { proxy, sockets } = await behindProxy(t);
    const one = client(t, proxy.port);
    one.socket.write("a");
    await eventually("the first echo", () => one.text === "a");
    proxy.blackHole();
    one.socket.write("b");
    sockets[0]!.write("from the server");
    const late = client(t, proxy.port);
    late.socket.write("c");
    await eventually("the second connection to be accepted", () => proxy.accepted === 2);
    await timeForAnEcho(t);
    assert.equal(one.text, "a");
    assert.equal(sockets.length, 1);
    proxy.heal();
    await eventually("what was held", () => one.text.length === 17 && late.text === "c");
    assert.equal(one.closed || late.closed, false);
  });

  it("does not notice the end of a server in a black hole", async (t) => {
    const { proxy, sockets } = await behindProxy(t);
    const one = client(t, proxy.port);
    one.socket.write("a");
    await eventually("the first echo", () => one.text === "a");
    proxy.blackHole();
    sockets[0]!.destroy();
    await eventually("the server's socket to close", () => sockets[0]!.destroyed);
    await timeForAnEcho(t);
    assert.equal(one.ended || one.closed, false);
    proxy.heal();
    await eventually("the end to be told", () => one.ended || one.closed);
  });

  it("cuts with a reset", async (t) => {
    const { proxy, sockets } = await behindProxy(t);
    const one = client(t, proxy.port);
    one.socket.write("a");
    await eventually("the first echo", () => one.text === "a");
    proxy.cut();
    await eventually("both sides to end", () => one.closed && sockets[0]!.destroyed);
    assert.equal(one.error, "ECONNRESET");
    assert.equal(proxy.open, 0);
  });

  it("leaves the client's side half-open", async (t) => {
    const { proxy, sockets } = await behindProxy(t);
    const one = client(t, proxy.port);
    one.socket.write("a");
    await eventually("the first echo", () => one.text === "a");
    proxy.halfOpen();
    await eventually("the server to see the end", () => sockets[0]!.readableEnded || sockets[0]!.destroyed);
    one.socket.write("b");
    const next = client(t, proxy.port);
    next.socket.write("c");
    await eventually("a new connection to work", () => next.text === "c");
    assert.deepEqual([one.text, one.ended, one.closed], ["a", false, false]);
    assert.equal(proxy.open, 2);
  });

  it("refuses new connections, and takes them again on the same port", async (t) => {
    const { proxy } = await behindProxy(t);
    const one = client(t, proxy.port);
    one.socket.write("a");
    await eventually("the first echo", () => one.text === "a");
    await proxy.refuse();
    const refused = client(t, proxy.port);
    await eventually("a refusal", () => refused.closed);
    assert.equal(refused.error, "ECONNREFUSED");
    one.socket.write("b");
    await eventually("the open connection to go on", () => one.text === "ab");
    await proxy.listen();
    const again = client(t, proxy.port);
    again.socket.write("c");
    await eventually("a new connection", () => again.text === "c");
  });

  it("cuts by itself when so many bytes have gone to clients, as often as configured", async (t) => {
    const { proxy } = await behindProxy(t);
    proxy.cutAfter(5, 2);
    for (const [text, last] of [["abcd", "e"], ["a", "b"]] as const) {
      const one = client(t, proxy.port);
      one.socket.write(text);
      await eventually("the echo", () => one.text === text);
      one.socket.write(last);
      await eventually("the cut", () => one.closed);
    }
    const next = client(t, proxy.port);
    next.socket.write("abcdef");
    await eventually("the echo on a third connection", () => next.text === "abcdef");
    assert.equal(next.closed, false);
  });

  it("ends the client's side when the server can't be reached", async (t) => {
    const { proxy } = await behindProxy(t);
    const closed = await startTcpProxy("127.0.0.1:1");
    await closed.close();
    proxy.target = closed.address;
    const one = client(t, proxy.port);
    await eventually("the end", () => one.closed || one.ended);
  });
});
