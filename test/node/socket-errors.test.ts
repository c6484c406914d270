import assert from "node:assert/strict";
import { createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { createEtcdRegistry } from "../../src/etcd.ts";
import { grpcConnector } from "../../src/node/grpc-connector.ts";
import type { TlsOptions } from "../../src/node/grpc-connector.ts";
import { socketError } from "../../src/socket/socket-error.ts";
import { failure } from "../grpc/link.ts";
import { eventually } from "../support/eventually.ts";
import { type SimpleServer, type SimpleServerOptions, startSimpleServer } from "../support/servers/simple.ts";
import { startScript } from "../support/process.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import * as tls from "../support/tls.ts";

/** A link that pings nothing: what it notices, a socket told it. */
function unaided(t: TestContext, address: string, options: TlsOptions | undefined) {
  const told: string[] = [];
  const link = grpcConnector({ keepalive: false, tls: options })({ address }, {
    draining: () => told.push("draining"),
    lost: (cause) => told.push(`lost: ${cause?.message}`),
  });
  t.after(() => link.close());
  return {
    told,
    simple: createClient(Simple, link.transport),
    connect: async () => await link.connect?.(AbortSignal.timeout(10_000)),
  };
}

/** A server of the demo service with TLS, whose clients may break it. */
async function secure(t: TestContext, options: SimpleServerOptions): Promise<SimpleServer> {
  const server = await startSimpleServer({ ...options, tls: { ...tls.server, ...options.tls } });
  const sockets: Socket[] = [];
  server.server.on("connection", (socket) => sockets.push(socket));
  server.server.on("sessionError", () => {});
  server.server.on("tlsClientError", () => {});
  t.after(async () => {
    // Node keeps sockets open on which TLS broke.
    for (const socket of sockets) socket.destroy();
    await server.close();
  });
  return server;
}

/** A TCP server that knows nothing of TLS, and ends each connection in its own way once something came. */
async function plaintext(t: TestContext, end: (socket: Socket) => void): Promise<string> {
  const server: Server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => end(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("a byte that is wrong in a TLS record", () => {
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    for (const to of ["client", "server"] as const) {
      it(`${version}, on its way to the ${to}: calls fail at once, and the link says why`, async (t) => {
        let arrived = 0;
        const server = await secure(t, {
          tls: { maxVersion: version },
          methods: {
            route: ({ data }) => {
              arrived++;
              return data === "wait" ? new Promise(() => {}) : { code: 200, value: data };
            },
          },
        });
        const proxy = await startTcpProxy(server.address);
        t.after(() => proxy.close());
        const { told, simple, connect } = unaided(t, proxy.address, { ca: tls.ca });
        await connect();
        const waiting = failure(simple.route({ data: "wait" }));
        await eventually("it is in flight", () => arrived === 1);
        proxy.corrupt(to);
        const second = failure(simple.route({ data: "again" }));
        for (const { error, mark } of await Promise.all([waiting, second])) {
          assert.deepEqual([error.code, mark], [Code.Unavailable, undefined], error.message);
          assert.match(error.message, /the connection was lost: (TLS failed: |the server closed the TLS session)/);
        }
        assert.equal(told.length, 1);
        assert.match(
          told[0]!,
          /^lost: (TLS failed: .*(decrypt|cipher)|the server closed the TLS session \(TLS alert: bad record mac)/,
        );
        const { error, mark } = await failure(simple.route({}));
        assert.deepEqual([error.code, mark], [Code.Unavailable, "not-sent"]);
        await connect();
        assert.equal((await simple.route({ data: "healed" })).value, "healed");
      });
    }
  }
});

describe("TLS that doesn't come about", () => {
  it("says that the server requires a client certificate, which TLS 1.3 reports after the handshake", async (t) => {
    const server = await secure(t, { tls: { ca: tls.ca, requestCert: true, rejectUnauthorized: true } });
    const { connect } = unaided(t, server.address, { ca: tls.ca });
    await assert.rejects(connect(), /can't connect to 127\.0\.0\.1:\d+: the server .*requires? a client certificate/);
  });

  const ends: readonly (readonly [how: string, end: (socket: Socket) => void])[] = [
    ["closes", (socket) => socket.end()],
    ["resets", (socket) => socket.resetAndDestroy()],
    ["answers without TLS", (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")],
  ];
  for (const [how, end] of ends) {
    it(`asks whether TLS is on at both ends of a server that ${how}`, async (t) => {
      const { connect } = unaided(t, await plaintext(t, end), {});
      await assert.rejects(
        connect(),
        /can't connect to 127\.0\.0\.1:\d+: the server .*: is TLS on at both ends or at neither\?$/,
      );
    });
  }

  it("asks the same of a plaintext etcd behind an https:// URL", async (t) => {
    const address = await plaintext(t, (socket) => socket.end());
    const failures: string[] = [];
    const registry = createEtcdRegistry({
      endpoints: [`https://${address}`],
      onEvent: (event) => void (event.type === "registration-failed" && failures.push(event.cause.message)),
    });
    t.after(() => registry.close());
    registry.register({ service: "s", address: "127.0.0.1:1" }).ready.catch(() => {});
    await eventually("it is told", () => failures.length > 0);
    assert.match(failures[0]!, /is TLS on at both ends or at neither\?/);
  });

  it("asks of a server without TLS that is called in plaintext, and of one with TLS", async (t) => {
    const plain = unaided(t, await plaintext(t, (socket) => socket.resetAndDestroy()), undefined);
    await assert.rejects(plain.connect(), /before its SETTINGS: .*is TLS on at both ends or at neither\?$/);
    const server = await secure(t, {});
    const other = unaided(t, server.address, undefined);
    await assert.rejects(other.connect(), /is TLS on at both ends or at neither\?$/);
  });
});

describe("a TLS 1.2 server that renegotiates", () => {
  it("is left, as HTTP/2 wants it (RFC 9113 section 9.2.1)", async (t) => {
    const child = startScript("node", "test/support/servers/renegotiating.ts");
    t.after(() => child.stop());
    const [, port] = await child.line(/^port (\d+)$/);
    const { told, simple, connect } = unaided(t, `127.0.0.1:${port}`, { ca: tls.ca });
    await connect();
    const call = failure(simple.route({}));
    child.write("renegotiate\n");
    assert.equal((await call).error.code, Code.Unavailable);
    // Deno's TLS refuses by itself: what it says then is the alert that came of that.
    assert.match(told.join(), /^lost: (the server renegotiated TLS, which HTTP\/2 forbids|the server refused the TLS)/);
    await child.line(/^closed$/);
  });
});

describe("the words of a TLS error", () => {
  const openssl = (code: string, reason: string) =>
    Object.assign(new Error(`40FD:error:0A000418:SSL routines:ssl3_read_bytes:${reason}:../ssl.c:918:\n`), { code });
  const rustls = (code: string, message: string) => Object.assign(new Error(message), { code });
  const cases: readonly (readonly [Error, string])[] = [
    [
      openssl("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", "tlsv13 alert certificate required"),
      "the server requires a client certificate: set tls.cert and tls.key (TLS alert: certificate required)",
    ],
    [
      rustls("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", "received fatal alert: CertificateRequired"),
      "the server requires a client certificate: set tls.cert and tls.key (TLS alert: certificate required)",
    ],
    [
      openssl("ERR_SSL_TLSV1_ALERT_UNKNOWN_CA", "TLSV1_ALERT_UNKNOWN_CA"),
      "the server doesn't accept the client certificate, tls.cert (TLS alert: unknown ca)",
    ],
    [
      openssl("ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE", "ssl/tls alert bad certificate"),
      "the server requires a client certificate, tls.cert and tls.key, or doesn't accept the one it got " +
      "(TLS alert: bad certificate)",
    ],
    [
      rustls("ERR_SSL_TLSV1_ALERT_UNKNOWN_CA", "received fatal alert: UnknownCA"),
      "the server doesn't accept the client certificate, tls.cert (TLS alert: unknown ca)",
    ],
    [
      openssl("ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE", "ssl/tls alert handshake failure"),
      "the server refused the TLS handshake: it may require a client certificate, tls.cert and tls.key " +
      "(TLS alert: handshake failure)",
    ],
    [
      openssl("ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC", "decryption failed or bad record mac"),
      "TLS failed: decryption failed or bad record mac",
    ],
    [
      rustls("ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE", "cannot decrypt peer's message"),
      "TLS failed: cannot decrypt peer's message",
    ],
    [rustls("ENOENT", "connect ENOENT /x"), "connect ENOENT /x"],
  ];
  for (const [error, text] of cases) {
    it(`says: ${text}`, () => assert.equal(socketError(error, "open").message, text));
  }
});
