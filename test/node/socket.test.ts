import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { destinationOf } from "../../src/node/socket.ts";
import { eventually } from "../support/eventually.ts";
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
    await eventually("it is closed", () => closed, 5_000);
  });

  it("tells its end once, also when that came before anyone listened", async (t) => {
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

describe("the name of a TLS server", () => {
  it("is sent without the dot that ends a whole domain name (RFC 6066 section 3)", async (t) => {
    const names: (string | false | null)[] = [];
    const server = createTlsServer({ ...tls.server, ALPNProtocols: ["h2"] }, (socket) => {
      socket.on("error", () => {});
      names.push(socket.servername as string | false | null);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => server.close());
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { open, authority } = destinationOf({ address, authority: "simple.test." }, { ca: tls.ca });
    const stream = await open(AbortSignal.timeout(10_000));
    t.after(() => stream.destroy());
    await eventually("the server has seen it", () => names.length === 1);
    assert.deepEqual([names, authority], [["simple.test"], "simple.test."]);
  });
});
