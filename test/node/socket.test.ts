import assert from "node:assert/strict";
import { createServer, Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { createServer as createTlsServer, type TlsOptions, type TLSSocket } from "node:tls";
import { grpcConnector } from "../../src/node/grpc-connector.ts";
import { destinationOf } from "../../src/node/socket.ts";
import { eventually } from "../support/eventually.ts";
import { encodeFrame, FrameType } from "../support/raw-http2/frame.ts";
import * as tls from "../support/tls.ts";

/** A TCP server that does with each socket as told. */
async function listen(t: TestContext, onSocket: (socket: Socket) => void): Promise<string> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The same over TLS; `left` tells whether a connection has ended, also one whose handshake was never finished. */
async function listenTls(
  t: TestContext,
  options: TlsOptions,
  onSocket: (socket: TLSSocket) => void,
): Promise<{ address: string; left: () => boolean }> {
  const connections: Socket[] = [];
  const server = createTlsServer({ ...tls.server, ...options }, (socket) => {
    socket.on("error", () => {});
    onSocket(socket);
  });
  server.on("connection", (connection) => connections.push(connection));
  // A client that doesn't finish the handshake is no failure of the test.
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    for (const connection of connections) connection.destroy();
    server.close();
  });
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { address, left: () => connections.some(({ destroyed }) => destroyed) };
}

describe("a socket that is destroyed", () => {
  it("goes, although its peer doesn't read and goes on to send", async (t) => {
    const address = await listen(t, (socket) => {
      socket.pause();
      const sending = setInterval(() => socket.write("x"), 20);
      socket.on("close", () => clearInterval(sending));
    });
    const stream = await destinationOf({ address }, undefined).open(AbortSignal.timeout(10_000));
    let closed = false;
    stream.start({ data() {}, writable() {}, end() {}, closed: () => closed = true });
    while (stream.write(new Uint8Array(4 << 20)));
    stream.destroy();
    await eventually("it is closed", () => closed);
  });

  it("reports its end once, also when that came before anyone listened", async (t) => {
    let gone = false;
    const address = await listen(t, (socket) => socket.on("close", () => gone = true).resume());
    const stream = await destinationOf({ address }, undefined).open(AbortSignal.timeout(10_000));
    stream.destroy();
    await eventually("it is gone", () => gone);
    let closed = 0;
    stream.start({ data() {}, writable() {}, end() {}, closed: () => closed++ });
    await eventually("it is told", () => closed > 0);
    stream.destroy();
    assert.equal(closed, 1);
  });
});

describe("a socket that is opened", () => {
  it("sends small writes without waiting for more (TCP_NODELAY), over plaintext and TLS", async (t) => {
    const address = await listen(t, (socket) => socket.resume());
    const { address: secure } = await listenTls(t, { ALPNProtocols: ["h2"] }, (socket) => socket.resume());
    // No runtime tells a socket's options: what is seen is that it is asked for.
    const asked: (readonly [port: number | undefined, on: boolean | undefined])[] = [];
    const { setNoDelay } = Socket.prototype;
    Socket.prototype.setNoDelay = function (on) {
      asked.push([this.remotePort, on]);
      return setNoDelay.call(this, on);
    };
    t.after(() => void (Socket.prototype.setNoDelay = setNoDelay));
    for (const [where, tlsOptions] of [[address, undefined], [secure, { ca: tls.ca }]] as const) {
      const stream = await destinationOf({ address: where }, tlsOptions).open(AbortSignal.timeout(10_000));
      stream.destroy();
      const calls = asked.filter(([port]) => where.endsWith(`:${port}`));
      assert.deepEqual(calls.map(([, on]) => on), [true], where);
    }
  });
});

describe("a TLS server that doesn't choose HTTP/2", () => {
  it("is refused when it knows nothing of ALPN, whatever it says then", async (t) => {
    const { address, left } = await listenTls(t, {}, (socket) => {
      // Empty SETTINGS, as if it spoke HTTP/2 all the same.
      socket.resume().write(encodeFrame(FrameType.settings, 0, 0, new Uint8Array(0)));
    });
    const link = grpcConnector({ tls: { ca: tls.ca } })({ address }, { draining() {}, lost() {} });
    t.after(() => link.close());
    await assert.rejects(
      async () => await link.connect?.(AbortSignal.timeout(10_000)),
      /can't connect to 127\.0\.0\.1:\d+: the server didn't choose HTTP\/2 \(ALPN h2\) over TLS/,
    );
    await eventually("its socket is given back", left);
  });

  it("is refused when it knows other protocols only", async (t) => {
    const { address } = await listenTls(t, { ALPNProtocols: ["http/1.1"] }, (socket) => socket.resume());
    const link = grpcConnector({ tls: { ca: tls.ca } })({ address }, { draining() {}, lost() {} });
    t.after(() => link.close());
    await assert.rejects(
      async () => await link.connect?.(AbortSignal.timeout(10_000)),
      /can't connect to 127\.0\.0\.1:\d+: the server didn't choose HTTP\/2 \(ALPN h2\) over TLS/,
    );
  });
});

describe("a TLS server that would rather not speak HTTP/2", () => {
  it("is offered nothing else, and so speaks it", async (t) => {
    const { address } = await listenTls(t, { ALPNProtocols: ["http/1.1", "h2"] }, (socket) => socket.resume());
    const stream = await destinationOf({ address }, { ca: tls.ca }).open(AbortSignal.timeout(10_000));
    stream.destroy();
  });
});

describe("the name of a TLS server", () => {
  it("is sent without the dot that ends a whole domain name (RFC 6066 section 3)", async (t) => {
    const names: (string | false | null)[] = [];
    const { address } = await listenTls(t, { ALPNProtocols: ["h2"] }, (socket) => {
      names.push(socket.servername as string | false | null);
    });
    const { open, authority } = destinationOf({ address, authority: "simple.test." }, { ca: tls.ca });
    const stream = await open(AbortSignal.timeout(10_000));
    t.after(() => stream.destroy());
    await eventually("the server has seen it", () => names.length === 1);
    assert.deepEqual([names, authority], [["simple.test"], "simple.test."]);
  });
});
