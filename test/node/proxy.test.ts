import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { createBalancedTransport } from "../../src/transport/transport.ts";
import { proxyFromEnvironment } from "../../src/node.ts";
import { grpcConnector, type GrpcConnectorOptions } from "../../src/node/grpc-connector.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { failureOf } from "../support/balanced.ts";
import { type ConnectProxyOptions, startConnectProxy } from "../support/connect-proxy.ts";
import { startRawServer } from "../support/raw-http2/server.ts";
import { type SimpleServerOptions, startSimpleServer } from "../support/servers/simple.ts";
import * as tls from "../support/tls.ts";

async function proxy(t: TestContext, options: ConnectProxyOptions) {
  const proxy = await startConnectProxy(options);
  t.after(() => proxy.close());
  return proxy;
}

async function server(t: TestContext, options: SimpleServerOptions = {}) {
  const server = await startSimpleServer(options);
  t.after(() => server.close());
  return server;
}

/** A client, and everything that its transport told. */
function client(t: TestContext, address: string, options: GrpcConnectorOptions) {
  const events: unknown[] = [];
  const transport = createBalancedTransport({
    resolver: staticResolver([address]),
    connector: grpcConnector(options),
    onEvent: (event) => void events.push(event),
  });
  t.after(() => transport.close());
  return { simple: createClient(Simple, transport), events, transport };
}

/** A value and what hangs on it, as text: also causes of errors and what they carry. */
function everything(value: unknown, depth = 0): string {
  if (typeof value !== "object" || value === null || depth > 8) return String(value);
  const own = Object.getOwnPropertyNames(value).map((name) =>
    `${name}: ${everything((value as Record<string, unknown>)[name], depth + 1)}`
  );
  return `${value instanceof Error ? `${value.message} ${value.stack} ` : ""}{${own.join(", ")}}`;
}

describe("a proxy", () => {
  it("is asked by CONNECT for the server's name, which it resolves, and carries calls", async (t) => {
    const { address } = await server(t);
    const through = await proxy(t, { target: address });
    const { simple } = client(t, "backend.internal.test:8443", { proxy: through.url });
    assert.equal((await simple.route({ data: "x" })).value, "hello x");
    assert.deepEqual(through.requests, [
      "CONNECT backend.internal.test:8443 HTTP/1.1\r\nHost: backend.internal.test:8443\r\n\r\n",
    ]);
  });

  it("is asked for an IPv6 address in brackets, and shown the user and the password of its URL", async (t) => {
    const { address } = await server(t);
    const through = await proxy(t, { target: address });
    const url = new URL(through.url);
    url.username = "us:er", url.password = "pass wörd";
    const { simple } = client(t, "[fd00::1%eth0]:8000".replace("%eth0", ""), { proxy: url });
    await simple.route({ data: "x" });
    const credentials = btoa(String.fromCharCode(...new TextEncoder().encode("us:er:pass wörd")));
    assert.equal(
      through.requests[0],
      `CONNECT [fd00::1]:8000 HTTP/1.1\r\nHost: [fd00::1]:8000\r\nProxy-Authorization: Basic ${credentials}\r\n\r\n`,
    );
  });

  for (const [what, address] of [["a name", "simple.test:443"], ["an IP address", "127.0.0.1:443"]] as const) {
    it(`has TLS inside its tunnel, and the server's certificate is looked at for ${what}`, async (t) => {
      const { address: target } = await server(t, { tls: tls.server });
      const through = await proxy(t, { target });
      const { simple } = client(t, address, { proxy: through.url, tls: { ca: tls.ca } });
      assert.equal((await simple.route({ data: "x".repeat(100_000) })).value, `hello ${"x".repeat(100_000)}`);
      assert.equal(through.requests.length, 1);
    });
  }

  for (const address of ["other.test:443", "10.0.0.1:443"]) {
    it(`doesn't make a certificate right that is not made out to ${address}`, async (t) => {
      const { address: target, server: tlsServer } = await server(t, { tls: tls.server });
      tlsServer.on("tlsClientError", () => {});
      const through = await proxy(t, { target });
      const { simple } = client(t, address, { proxy: through.url, tls: { ca: tls.ca } });
      assert.match(String(await failureOf(simple.route({}))), /altnames|not valid for name|NotValidForName/);
    });
  }

  it("may send the server's first bytes together with its own answer", async (t) => {
    const raw = await startRawServer(async (session) => {
      await session.handshake();
      session.respond(await session.wholeRequest(), { messages: [new Uint8Array([0x12, 1, 0x78])] });
      await session.left();
    });
    t.after(() => raw.close());
    const through = await proxy(t, { target: raw.address, together: true });
    const { simple } = client(t, "backend.test:80", { proxy: through.url });
    assert.equal((await simple.route({})).value, "x");
  });

  it("is chosen for each server by a function, which may choose none", async (t) => {
    const { address } = await server(t);
    const through = await proxy(t, { target: address });
    const chosen: unknown[] = [];
    const choose: GrpcConnectorOptions["proxy"] = ({ host, port, endpoint }) => {
      chosen.push([host, port, endpoint.address]);
      return host === "backend.test" ? through.url : undefined;
    };
    await client(t, address, { proxy: choose }).simple.route({});
    await client(t, "backend.test:80", { proxy: choose }).simple.route({});
    assert.equal(through.requests.length, 1);
    assert.deepEqual(chosen, [["127.0.0.1", Number(address.split(":")[1]), address], [
      "backend.test",
      80,
      "backend.test:80",
    ]]);
  });

  const answers: readonly (readonly [string, (socket: Socket) => void, RegExp])[] = [
    [
      "asks for a password",
      (socket) => socket.end("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n"),
      /answered CONNECT backend\.test:80 with 407 Proxy Authentication Required: check the user and the password/,
    ],
    [
      "can't reach the server",
      (socket) => socket.end("HTTP/1.0 502 Bad\u0007Gateway\r\n\r\n<html>"),
      /answered CONNECT backend\.test:80 with 502 Bad\?Gateway$/,
    ],
    ["has no words", (socket) => socket.end("HTTP/1.1 503\r\n\r\n"), /answered CONNECT backend\.test:80 with 503$/],
    ["speaks something else", (socket) => void socket.write("220 mail.test ESMTP\r\n"), /doesn't speak HTTP\/1\.1/],
    ["speaks HTTP/2", (socket) => void socket.write("\0\0\0\x04\0\0\0\0\0"), /doesn't speak HTTP\/1\.1/],
    ["leaves", (socket) => socket.end(), /closed the connection before it answered CONNECT backend\.test:80/],
    ["resets", (socket) => socket.resetAndDestroy(), /ECONNRESET|closed the connection before/],
    [
      "answers without an end",
      (socket) => void socket.write(`HTTP/1.1 200 OK\r\nX: ${"x".repeat(20_000)}`),
      /with more than 16384 bytes of headers/,
    ],
  ];
  for (const [what, answer, text] of answers) {
    it(`that ${what} is said so, and nothing of its credentials`, async (t) => {
      const through = await proxy(t, { answer });
      const url = through.url.replace("//", "//geheim:s3cr3t%20@");
      const { simple, events, transport } = client(t, "backend.test:80", { proxy: url });
      const error = await failureOf(simple.route({}));
      const reason = (transport.snapshot().endpoints![0]!.lastError as Error).message;
      assert.match(reason, text);
      assert.match(reason, /^can't connect to backend\.test:80: the proxy 127\.0\.0\.1:\d+ /);
      const shown = everything([error, events, transport.snapshot()]);
      for (const secret of ["geheim", "s3cr3t", btoa("geheim:s3cr3t ")]) assert.ok(!shown.includes(secret), secret);
    });
  }

  it("that can't be reached is said so", async (t) => {
    const gone = await startConnectProxy({});
    gone.close();
    const { simple } = client(t, "backend.test:80", { proxy: gone.url });
    assert.match(
      String(await failureOf(simple.route({}))),
      /the proxy 127\.0\.0\.1:\d+ can't be reached: .*ECONNREFUSED/,
    );
  });

  it("that never answers is left when the time for opening is over", async (t) => {
    const through = await proxy(t, {});
    const { simple } = client(t, "backend.test:80", { proxy: through.url, connectTimeoutMs: 50 });
    assert.match(String(await failureOf(simple.route({}))), /no HTTP\/2 server answered within 50 ms/);
  });

  it("is refused immediately if it is invalid, without its credentials in the text", () => {
    for (
      const [value, text] of [
        ["socks5://geheim:s3cr3t@proxy:1080", /option proxy has the scheme "socks5", which is not supported: expected/],
        ["http://geheim:s3cr3t@proxy:99999", /option proxy is not a URL: expected a URL such as/],
        ["http://geheim%zz:s3cr3t@proxy", /percent-encoding is broken/],
        [7, /option proxy is 7: expected a URL such as/],
        [
          proxyFromEnvironment,
          /option proxy is the function proxyFromEnvironment: .* Call it: proxyFromEnvironment\(…\)/,
        ],
      ] as const
    ) {
      assert.throws(() => grpcConnector({ proxy: value as unknown as string }), (error: Error) => {
        assert.match(error.message, text);
        assert.doesNotMatch(everything(error), /geheim|s3cr3t/);
        return error instanceof TypeError;
      });
    }
    assert.throws(
      () => grpcConnector({ proxy: "http://p", dial: () => undefined }),
      /dial and proxy can't be combined/,
    );
    assert.throws(() => grpcConnector({ dial: "x" as never }), /option dial is "x": expected a function/);
  });
});

describe("the environment's proxy", () => {
  const chosen = (env: Record<string, string>, address = "backend.test:443") => {
    const [, host, port] = /^(?:\[?)(.*?)\]?:(\d+)$/.exec(address)!;
    return String(proxyFromEnvironment(env)({ endpoint: { address }, host: host!, port: Number(port) }));
  };

  it("is grpc_proxy, then https_proxy, then http_proxy, in lower case before upper case; an empty one counts as unset", () => {
    const env = { HTTP_PROXY: "http://f", http_proxy: "http://e", HTTPS_PROXY: "http://d", https_proxy: "http://c" };
    assert.equal(chosen({ ...env, GRPC_PROXY: "http://b", grpc_proxy: "http://a" }), "http://a");
    assert.equal(chosen({ ...env, GRPC_PROXY: "http://b", grpc_proxy: "" }), "http://b");
    assert.equal(chosen({ ...env, grpc_proxy: " " }), "http://c");
    assert.equal(chosen({ HTTP_PROXY: "http://f", HTTPS_PROXY: "http://d" }), "http://d");
    assert.equal(chosen({ HTTP_PROXY: "http://f" }), "http://f");
    assert.equal(chosen({ HTTP_PROXY: "http://f", REQUEST_METHOD: "GET" }), "undefined");
    assert.equal(chosen({ all_proxy: "http://g" }), "undefined");
    assert.equal(chosen({}), "undefined");
  });

  it("leaves out what no_grpc_proxy lists, or else no_proxy", () => {
    const env = { https_proxy: "http://p" };
    assert.equal(chosen({ ...env, no_proxy: "backend.test" }), "undefined");
    assert.equal(chosen({ ...env, NO_PROXY: "backend.test" }), "undefined");
    assert.equal(chosen({ ...env, no_grpc_proxy: "other.test", no_proxy: "backend.test" }), "http://p");
    assert.equal(chosen({ ...env, no_grpc_proxy: "", no_proxy: "backend.test" }), "undefined");
  });

  const rules: readonly (readonly [list: string, direct: readonly string[], proxied: readonly string[]])[] = [
    ["*", ["a.test:1", "10.0.0.1:1", "[::1]:1"], []],
    ["test", ["a.test:1", "TEST:1", "test.:1"], ["atest:1", "a.test.example:1"]],
    ["a.test", ["a.test:1", "b.a.test:1", "A.Test.:1"], ["ba.test:1", "test:1"]],
    [".a.test, *.b.test", ["x.a.test:1", "x.b.test:1"], ["a.test:1", "b.test:1", "xa.test:1"]],
    ["a.test:8000 b.test", ["a.test:8000", "x.a.test:8000", "b.test:9"], ["a.test:443"]],
    ["10.0.0.5,fd00::1", ["10.0.0.5:1", "[fd00::1]:1", "[fd00:0::1]:1"], ["10.0.0.50:1", "110.0.0.5:1", "[fd00::2]:1"]],
    ["10.0.0.5:80,[fd00::1]:80", ["10.0.0.5:80", "[fd00::1]:80"], ["10.0.0.5:81", "[fd00::1]:81"]],
    ["10.0.0.0/8,fd00::/8", ["10.255.0.1:1", "[fd12::1]:1"], ["11.0.0.1:1", "[fe80::1]:1", "10.test:1"]],
    ["10.0.0.0/33,nonsense/8, ,:80,a:b", [], ["10.0.0.1:1", "a:80", "nonsense:1"]],
    ["other.test", [], ["localhost:1", "127.0.0.1:1", "[::1]:1"]],
  ];
  for (const [list, direct, proxied] of rules) {
    it(`reads no_proxy=${list}`, () => {
      const env = { https_proxy: "http://p", no_proxy: list };
      for (const address of direct) assert.equal(chosen(env, address), "undefined", address);
      for (const address of proxied) assert.equal(chosen(env, address), "http://p", address);
    });
  }

  it("says which variable is wrong, and nothing of its credentials", () => {
    assert.throws(() => proxyFromEnvironment({ https_proxy: "socks5://geheim:s3cr3t@h" }), (error: Error) => {
      assert.match(error.message, /^the environment's https_proxy has the scheme "socks5", which is not supported/);
      assert.doesNotMatch(everything(error), /geheim|s3cr3t/);
      return true;
    });
  });

  it("may be just a host and a port", async (t) => {
    const { address } = await server(t);
    const through = await proxy(t, { target: address });
    const proxySource = proxyFromEnvironment({ http_proxy: `127.0.0.1:${through.port}` });
    await client(t, "backend.test:80", { proxy: proxySource }).simple.route({});
    assert.equal(through.requests.length, 1);
  });
});
