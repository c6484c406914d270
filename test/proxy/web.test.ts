// Connect and gRPC-Web in, gRPC out, by Connect's own clients and by fetch.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";
import { describe, it, type TestContext } from "node:test";
import { type Client, Code, createClient, type Transport } from "@connectrpc/connect";
import { trailerParse } from "@connectrpc/connect/protocol-grpc-web";
import * as connectNode from "@connectrpc/connect-node";
import * as connectWeb from "@connectrpc/connect-web";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { Simple, SimpleRequestSchema, SimpleResponseSchema } from "../../gen/simple_pb.ts";
import { EnvelopeReader } from "../../src/grpc/envelope.ts";
import type { CreateProxyOptions, ProxyRoute } from "../../src/server.ts";
import { eventually } from "../support/eventually.ts";
import { failure, values } from "../grpc/link.ts";
import { type SimpleBackend, simpleBackend } from "./simple-backend.ts";
import { proxyFor, to } from "./through.ts";

interface Proxied extends SimpleBackend {
  readonly url: string;
  readonly proxy: Awaited<ReturnType<typeof proxyFor>>["proxy"];
}

async function proxied(
  t: TestContext,
  route: Partial<ProxyRoute> = {},
  options: Partial<CreateProxyOptions> = {},
): Promise<Proxied> {
  const backend = await simpleBackend(t);
  const { address, proxy } = await proxyFor(t, { routes: [{ to: to([backend.address]), ...route }], ...options });
  return { ...backend, url: `http://${address}`, proxy };
}

async function* three(data: string) {
  for (let i = 0; i < 3; i++) yield { data: `${data}${i}` };
}

/** What a client of any protocol must see. */
async function sees(client: Client<typeof Simple>, streams: boolean): Promise<void> {
  const headers: Headers[] = [], trailers: Headers[] = [];
  const onHeader = (all: Headers) => headers.push(all), onTrailer = (all: Headers) => trailers.push(all);
  const options = { headers: { "x-asked": "yes", "lb-token": "false" }, onHeader, onTrailer };
  const { code, value } = await client.route({ data: "a" }, { ...options, timeoutMs: 10_000 });
  assert.deepEqual([code, value], [1, "hello a"]);
  assert.deepEqual([headers[0]!.get("x-protocol"), trailers[0]!.get("x-tail")], ["grpc", "end"]);
  assert.equal((await client.route({ data: "x".repeat(100_000) })).value.length, 100_006);
  assert.deepEqual(await values(client.routeServerStream({ data: "s" }, { onTrailer })), ["s0", "s1", "s2"]);
  assert.equal(trailers[1]!.get("x-tail"), "end");
  if (streams) {
    assert.equal((await client.routeClientStream(three("c"))).value, "c0,c1,c2");
    assert.deepEqual(await values(client.routeBidiStream(three("b"))), ["B0", "B1", "B2"]);
  }
  const { error } = await failure(client.route({ data: "fail" }));
  assert.deepEqual([error.code, error.rawMessage], [Code.NotFound, "no, żółć"]);
  assert.equal(error.metadata.get("x-why"), "because");
  assert.equal(error.findDetails(SimpleResponseSchema)[0]?.value, "detail");
  const { error: midway } = await failure(values(client.routeServerStream({ data: "fail" })));
  assert.deepEqual([midway.code, midway.rawMessage], [Code.DataLoss, "midway"]);
}

// Deno's node:http2 loses replies, and connect-node's clients use it.
const HTTP2 = { skip: "Deno" in globalThis }, ALL = { skip: false };

const { createConnectTransport, createGrpcWebTransport } = connectNode;
const gzip = { sendCompression: connectNode.compressionGzip, compressMinBytes: 0 };

const CLIENTS: readonly [string, boolean, (baseUrl: string) => Transport, { skip: boolean }][] = [
  ["Connect over HTTP/2", true, (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2" }), HTTP2],
  ["Connect with gzip", true, (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2", ...gzip }), HTTP2],
  ["Connect over HTTP/1.1", false, (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" }), ALL],
  [
    "Connect over fetch",
    false,
    (baseUrl) => connectWeb.createConnectTransport({ baseUrl, useBinaryFormat: true }),
    ALL,
  ],
  ["gRPC-Web over HTTP/2", true, (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2" }), HTTP2],
  ["gRPC-Web over HTTP/1.1", false, (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }), ALL],
  ["gRPC-Web over fetch", false, (baseUrl) => connectWeb.createGrpcWebTransport({ baseUrl }), ALL],
];

const message = (data: string) => toBinary(SimpleRequestSchema, { $typeName: "proto.SimpleRequest", data });

function post(url: string, type: string, body: BodyInit, headers: Record<string, string> = {}): Promise<Response> {
  const path = url.includes("/proto.") ? url : `${url}/proto.Simple/Route`;
  return fetch(path, { method: "POST", headers: { "content-type": type, ...headers }, body });
}

describe("a proxy before servers of gRPC alone", () => {
  for (const [name, streams, create, options] of CLIENTS) {
    it(`serves Connect's own client of ${name}`, options, async (t) => {
      const { headers, proxy, url } = await proxied(t);
      await sees(createClient(Simple, create(url)), streams);
      const [first] = headers;
      assert.deepEqual([first!.get("x-asked"), first!.get("lb-token")], ["yes", null]);
      assert.deepEqual(
        ["for", "proto", "host"].map((field) => first!.get(`x-forwarded-${field}`)),
        ["127.0.0.1", "http", new URL(url).host],
      );
      const { calls, inFlight } = proxy.snapshot();
      assert.deepEqual([calls.failed, inFlight], [2, 0]);
    });
  }

  for (const [name, streams, create, options] of CLIENTS.filter(([name]) => /over HTTP/.test(name))) {
    it(`passes JSON of ${name} on where the route says that its servers speak it`, options, async (t) => {
      const { headers, url } = await proxied(t, { json: true });
      const json = /Connect/.test(name)
        ? createConnectTransport({ baseUrl: url, httpVersion: streams ? "2" : "1.1", useBinaryFormat: false })
        : createGrpcWebTransport({ baseUrl: url, httpVersion: streams ? "2" : "1.1", useBinaryFormat: false });
      await sees(createClient(Simple, json), streams);
      assert.equal(headers[0]!.get("content-type"), "application/grpc+json");
      // Binary messages still come as such.
      assert.equal((await createClient(Simple, create(url)).route({ data: "b" })).value, "hello b");
    });
  }

  it("refuses JSON for other servers, and says why", async (t) => {
    const { headers, url } = await proxied(t);
    const answer = await post(url, "application/json", '{"data":"a"}');
    const { code, message: text } = await answer.json() as { code: string; message: string };
    assert.deepEqual([answer.status, code], [415, "unimplemented"]);
    assert.match(text, /takes binary messages \(application\/proto\), not JSON/);
    const web = connectWeb.createGrpcWebTransport({ baseUrl: url, useBinaryFormat: false });
    const { error } = await failure(createClient(Simple, web).route({ data: "a" }));
    assert.deepEqual([error.code, /not JSON/.test(error.message)], [Code.Unimplemented, true]);
    assert.equal(headers.length, 0);
  });

  it("takes gRPC-Web as text, in pieces that are padded", async (t) => {
    const { url } = await proxied(t);
    const body = message("text"), prefix = Buffer.from([0, 0, 0, 0, body.length]);
    const text = prefix.toString("base64") + Buffer.from(body).toString("base64");
    const answer = await post(url, "application/grpc-web-text", text);
    assert.equal(answer.headers.get("content-type"), "application/grpc-web-text+proto");
    const reader = new EnvelopeReader(1_000);
    // Each piece is padded by itself.
    for (const piece of (await answer.text()).match(/[^=]+=*/g)!) reader.push(Buffer.from(piece, "base64"));
    const first = reader.next()!, last = reader.next()!;
    assert.equal(fromBinary(SimpleResponseSchema, first.bytes).value, "hello text");
    assert.deepEqual([last.flags, trailerParse(last.bytes).get("grpc-status")], [128, "0"]);
  });

  it("takes a GET request for methods that are listed as idempotent alone", async (t) => {
    const query = `?connect=v1&encoding=proto&base64=1&message=${Buffer.from(message("get")).toString("base64url")}`;
    const { url } = await proxied(t, {}, { idempotent: ["/proto.Simple/Route"] });
    const answer = await fetch(`${url}/proto.Simple/Route${query}`);
    const bytes = new Uint8Array(await answer.arrayBuffer());
    assert.equal(fromBinary(SimpleResponseSchema, bytes).value, "hello get");
    const refused = await fetch(`${url}/proto.Simple/RouteClientStream${query}`);
    assert.deepEqual([refused.status, refused.headers.get("allow")], [405, "POST"]);
    assert.match(await refused.text(), /listed as idempotent|lists as idempotent/);
  });

  it("answers what is wrong with a request itself, in the request's protocol", async (t) => {
    const { headers, url } = await proxied(t);
    const good = message("a");
    for (
      const [type, body, more, status, code] of [
        ["application/proto", good, { "connect-timeout-ms": "soon" }, 400, "invalid_argument"],
        ["application/proto", good, { "connect-timeout-ms": "0" }, 504, "deadline_exceeded"],
        ["application/proto", good, { "connect-protocol-version": "2" }, 400, "invalid_argument"],
        ["application/proto", good, { "content-encoding": "br" }, 501, "unimplemented"],
        ["application/proto", good, { "content-encoding": "gzip" }, 400, "invalid_argument"],
        [
          "application/proto",
          gzipSync(new Uint8Array(5_000_000)),
          { "content-encoding": "gzip" },
          429,
          "resource_exhausted",
        ],
        ["application/proto", new Uint8Array(5_000_000), {}, 429, "resource_exhausted"],
        ["application/proto", good, { "x-bin": "%%" }, 400, "invalid_argument"],
      ] as const
    ) {
      const answer = await post(url, type, body as BodyInit, more as Record<string, string>);
      const got = await answer.json() as { code: string; message: string };
      assert.deepEqual([answer.status, got.code], [status, code], JSON.stringify(more));
      assert.doesNotMatch(got.message, /^proxy: the call/);
    }
    const cut = await post(url, "application/grpc-web+proto", new Uint8Array([0, 0, 0, 0, 9, 1]));
    assert.match(await cut.text(), /grpc-status: 3\r\n/);
    const text = await post(url, "application/grpc-web-text", "%%%%");
    assert.match(Buffer.from(await text.text(), "base64").toString(), /grpc-status: 3\r\n/);
    assert.equal(headers.length, 0);
  });

  it("says where nothing is served, what it speaks, and that gRPC needs HTTP/2", async (t) => {
    const { url } = await proxied(t, { path: "/proto.Simple" });
    const nowhere = await post(`${url}/proto.Other/Route`, "application/proto", message("a"));
    const { code, message: why } = await nowhere.json() as { code: string; message: string };
    assert.deepEqual([nowhere.status, code], [404, "unimplemented"]);
    assert.match(why, /no route for .*Other.*It serves: .*\/proto\.Simple/);
    const html = await post(url, "text/html", "<p>");
    assert.deepEqual([html.status, html.headers.get("accept-post")?.includes("application/grpc-web")], [415, true]);
    const grpc = await post(url, "application/grpc", new Uint8Array(5));
    assert.equal(grpc.status, 505);
    assert.equal((await fetch(url)).status, 415);
    const api = await proxyFor(t, { routes: [{ authority: "api.example", to: to(["127.0.0.1:1"]) }] });
    const unknown = await post(`http://${api.address}`, "application/proto", message("a"));
    assert.equal(unknown.status, 404);
  });

  it("tells its clients nothing of where servers are", async (t) => {
    const { address } = await proxyFor(t, { routes: [{ to: to(["127.0.0.1:1"]) }] });
    const answer = await post(`http://${address}`, "application/proto", message("a"));
    assert.deepEqual([answer.status, await answer.json()], [503, {
      code: "unavailable",
      message: "proxy: no server of the service can be reached",
    }]);
  });

  it("lets the pages of other origins call that its cors option names", async (t) => {
    const origin = "https://app.example";
    const { url } = await proxied(t, {}, { cors: { origins: [origin] } });
    const asks = { origin, "access-control-request-method": "POST" };
    const preflight = await fetch(`${url}/proto.Simple/Route`, { method: "OPTIONS", headers: asks });
    assert.deepEqual([preflight.status, preflight.headers.get("access-control-allow-origin")], [204, origin]);
    const answer = await post(url, "application/proto", message("a"), { origin });
    assert.equal(answer.headers.get("access-control-allow-origin"), origin);
    assert.match(answer.headers.get("access-control-expose-headers")!, /Grpc-Status/i);
    const other = await post(url, "application/proto", message("a"), { origin: "https://evil.example" });
    assert.equal(other.headers.get("access-control-allow-origin"), null);
  });

  for (const [name, , create, options] of CLIENTS) {
    it(`ends the call when a client of ${name} leaves`, options, async (t) => {
      const { cancelled, proxy, url } = await proxied(t);
      const client = createClient(Simple, create(url)), abort = new AbortController();
      await failure((async () => {
        const responses = client.routeServerStream({ data: "endless" }, { signal: abort.signal });
        for await (const _ of responses) abort.abort();
      })());
      await eventually("the server's handler is told", () => cancelled.length === 1);
      await eventually("the proxy has none in flight", () => proxy.snapshot().inFlight === 0);
      assert.deepEqual(proxy.snapshot().calls, { started: 1, succeeded: 0, failed: 1 });
    });
  }
});
