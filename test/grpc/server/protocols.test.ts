// Other clients, and the other protocols: over HTTP/2 on the port of gRPC, over HTTP/1.1 and over fetch.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, it, type TestContext } from "node:test";
import { promisify } from "node:util";
import {
  type Client,
  Code,
  ConnectError,
  createClient,
  createContextKey,
  createContextValues,
  type Transport,
} from "@connectrpc/connect";
import * as connectNode from "@connectrpc/connect-node";
import * as connectWeb from "@connectrpc/connect-web";
import { Simple, SimpleResponseSchema } from "../../../gen/simple_pb.ts";
import { createGrpcServer, type CreateGrpcServerOptions } from "../../../src/server.ts";
import { createFetchHandler } from "../../../src/server-fetch.ts";
import { eventually } from "../../support/eventually.ts";
import { failure, values } from "../link.ts";
import { asking } from "./http.ts";
import type { Methods } from "./pair.ts";

const run = promisify(execFile);
const key = createContextKey("");
const cancelled: string[] = [];

const METHODS: Methods = {
  route({ data }, context) {
    if (data === "secret") throw new Error("the password is 1234");
    if (data === "fail") {
      throw new ConnectError("no, żółć", Code.NotFound, { "x-why": "because" }, [
        { desc: SimpleResponseSchema, value: { value: "detail" } },
      ]);
    }
    context.responseHeader.set("x-protocol", context.protocolName);
    context.responseTrailer.set("x-tail", context.values.get(key));
    return { code: 200, value: `hello ${data} ${context.requestHeader.get("x-asked")}` };
  },
  async *routeServerStream({ data }, { signal }) {
    signal.addEventListener("abort", () => cancelled.push(data));
    for (let i = 0; i < (data === "endless" ? Infinity : 3); i++) {
      yield { value: `${data}${i}` };
      await new Promise((resolve) => setTimeout(resolve));
    }
  },
  async routeClientStream(requests) {
    const all: string[] = [];
    for await (const { data } of requests) all.push(data);
    return { value: all.join() };
  },
  async *routeBidiStream(requests) {
    for await (const { data } of requests) yield { value: data.toUpperCase() };
  },
};

const OPTIONS: CreateGrpcServerOptions = {
  routes: (router) => router.service(Simple, METHODS),
  onError() {},
  contextValues: ({ url }) => createContextValues().set(key, new URL(url).pathname),
};

async function listening(t: TestContext, options: Partial<CreateGrpcServerOptions> = {}): Promise<string> {
  const server = createGrpcServer({ ...OPTIONS, ...options });
  t.after(async () => {
    server.closeAllConnections();
    await server.close();
  });
  return `http://${(await server.listen({ host: "127.0.0.1", port: 0 })).address}`;
}

async function* three(data: string) {
  for (let i = 0; i < 3; i++) yield { data: `${data}${i}` };
}

/** What a client of any protocol must see. */
async function sees(client: Client<typeof Simple>, protocol: string, streams: boolean): Promise<void> {
  const headers: Headers[] = [];
  const options = { headers: { "x-asked": "yes" }, onHeader: (all: Headers) => headers.push(all) };
  const trailers: Headers[] = [];
  const answer = await client.route({ data: "a" }, { ...options, onTrailer: (all) => trailers.push(all) });
  assert.equal(answer.value, "hello a yes");
  assert.equal(headers[0]!.get("x-protocol"), protocol);
  assert.equal(trailers[0]!.get("x-tail"), "/proto.Simple/Route");
  assert.equal((await client.route({ data: "x".repeat(100_000) })).value.length, 100_011);
  assert.deepEqual(await values(client.routeServerStream({ data: "s" })), ["s0", "s1", "s2"]);
  if (streams) {
    assert.equal((await client.routeClientStream(three("c"))).value, "c0,c1,c2");
    assert.deepEqual(await values(client.routeBidiStream(three("b"))), ["B0", "B1", "B2"]);
  }
  const { error } = await failure(client.route({ data: "fail" }));
  assert.deepEqual([error.code, error.rawMessage], [Code.NotFound, "no, żółć"]);
  assert.equal(error.metadata.get("x-why"), "because");
  assert.equal(error.findDetails(SimpleResponseSchema)[0]?.value, "detail");
  const { error: secret } = await failure(client.route({ data: "secret" }));
  assert.deepEqual([secret.code, secret.rawMessage], [Code.Internal, "internal error"]);
}

// Deno's node:http2 loses replies, and connect-node's clients use it.
const HTTP2 = { skip: "Deno" in globalThis };

describe("a server of this library's", () => {
  const clients: [string, string, boolean, (baseUrl: string) => Transport, { skip: boolean }][] = [
    ["gRPC", "grpc", true, (baseUrl) => connectNode.createGrpcTransport({ baseUrl }), HTTP2],
    [
      "gRPC with JSON",
      "grpc",
      true,
      (baseUrl) => connectNode.createGrpcTransport({ baseUrl, useBinaryFormat: false }),
      HTTP2,
    ],
    ["gRPC with gzip", "grpc", true, (baseUrl) =>
      connectNode.createGrpcTransport({
        baseUrl,
        sendCompression: connectNode.compressionGzip,
        compressMinBytes: 0,
      }), HTTP2],
    [
      "gRPC-Web",
      "grpc-web",
      true,
      (baseUrl) => connectNode.createGrpcWebTransport({ baseUrl, httpVersion: "2" }),
      HTTP2,
    ],
    ["Connect", "connect", true, (baseUrl) => connectNode.createConnectTransport({ baseUrl, httpVersion: "2" }), HTTP2],
    [
      "gRPC-Web over HTTP/1.1",
      "grpc-web",
      false,
      (baseUrl) => connectNode.createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
      { skip: false },
    ],
    [
      "Connect over HTTP/1.1",
      "connect",
      false,
      (baseUrl) => connectNode.createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
      { skip: false },
    ],
    ["Connect over fetch", "connect", false, (baseUrl) => connectWeb.createConnectTransport({ baseUrl }), {
      skip: false,
    }],
  ];
  for (const [name, protocol, streams, create, options] of clients) {
    it(`serves Connect's own client of ${name}`, options, async (t) => {
      await sees(createClient(Simple, create(await listening(t))), protocol, streams);
    });
  }

  for (
    const [name, create] of [["gRPC", connectNode.createGrpcTransport], ["gRPC-Web over HTTP/2", (options: {
      baseUrl: string;
    }) => connectNode.createGrpcWebTransport({ ...options, httpVersion: "2" })]] as const
  ) {
    it(`aborts the handler when a client of ${name} leaves`, HTTP2, async (t) => {
      cancelled.length = 0;
      const client = createClient(Simple, create({ baseUrl: await listening(t) }));
      const abort = new AbortController();
      await failure((async () => {
        const responses = client.routeServerStream({ data: "endless" }, { signal: abort.signal });
        for await (const _ of responses) abort.abort();
      })());
      await eventually("the handler's signal aborts", () => cancelled.length === 1);
    });
  }

  it("answers 500 if context values can't be made for a request of Connect's", async (t) => {
    t.mock.method(console, "error", () => {});
    const contextValues = () => {
      throw new Error("secret");
    };
    const ask = asking(t, { ...OPTIONS, contextValues });
    const answer = await ask({
      headers: { "content-type": "application/json" },
      body: [new TextEncoder().encode("{}")],
    });
    assert.deepEqual([answer.status, answer.text], [500, ""]);
  });

  it("finds methods whatever authority a client sends, by their paths alone", async (t) => {
    const ask = asking(t, OPTIONS);
    const headers = { "content-type": "application/json" };
    const call = async (authority: string, path: string) =>
      (await ask({ authority, headers, path, body: [new TextEncoder().encode("{}")] })).status;
    for (const authority of ["", "a b", "[", "host:99999999", "x/y", "x/proto.Simple/Other?"]) {
      assert.equal(await call(authority, "/proto.Simple/Route"), 200, authority);
    }
    for (const path of ["/x/../proto.Simple/Route", "//proto.Simple/Route", "proto.Simple/Route", "*"]) {
      assert.equal(await call("test", path), 404, path);
    }
    const { handler } = createGrpcServer(OPTIONS);
    assert.equal((await handler(new Request("http://test/proto.Simple/Route/", { method: "POST" }))).status, 404);
  });

  it("answers curl in Connect's JSON, over HTTP/2 and HTTP/1.1", async (t) => {
    const url = `${await listening(t)}/proto.Simple/Route`;
    for (const version of ["--http2-prior-knowledge", "--http1.1"]) {
      const curl = async (...args: string[]) =>
        (await run("curl", ["-s", version, "-w", " %{http_code}", "-H", "content-type: application/json", ...args]))
          .stdout;
      assert.equal(
        await curl("-d", '{"data":"curl"}', url),
        '{"code":200, "value":"hello curl null"} 200'
          .replaceAll(", ", ","),
      );
      const error = await curl("-d", '{"data":"fail"}', url);
      assert.match(error, /"code":"not_found".* 404$/);
      assert.match(await curl("-d", "{}", `${url}s`), /there is no such method.* 404$/s);
    }
  });
});

describe("a fetch handler", () => {
  const handler = createFetchHandler({ ...OPTIONS, cors: { origins: ["https://app.example"], credentials: true } });
  const fetch = ((url: string, init: RequestInit) => handler(new Request(url, init))) as typeof globalThis.fetch;

  it("serves Connect and gRPC-Web", async () => {
    const options = { baseUrl: "http://test", fetch };
    await sees(createClient(Simple, connectWeb.createConnectTransport(options)), "connect", false);
    await sees(createClient(Simple, connectWeb.createGrpcWebTransport(options)), "grpc-web", false);
  });

  it("is also a server's, for whatever serves fetch requests", async () => {
    const { handler } = createGrpcServer(OPTIONS);
    const fetch = ((url: string, init: RequestInit) => handler(new Request(url, init))) as typeof globalThis.fetch;
    const transport = connectWeb.createConnectTransport({ baseUrl: "http://test", fetch });
    await sees(createClient(Simple, transport), "connect", false);
  });

  it("aborts the handler when the response is no longer read", async () => {
    cancelled.length = 0;
    const response = await handler(
      new Request("http://test/proto.Simple/RouteServerStream", {
        method: "POST",
        headers: { "content-type": "application/connect+json" },
        body: Uint8Array.from([0, 0, 0, 0, 18, ...new TextEncoder().encode('{"data":"endless"}')]),
      }),
    );
    const reader = response.body!.getReader();
    await reader.read();
    await reader.cancel();
    await eventually("the handler's signal aborts", () => cancelled.length === 1);
  });

  it("refuses gRPC, which fetch can't carry, and says so", async () => {
    const request = { method: "POST", headers: { "content-type": "application/grpc" }, body: "" };
    const response = await handler(new Request("http://test/proto.Simple/Route", request));
    assert.equal(response.status, 505);
    assert.match(await response.text(), /gRPC needs HTTP\/2 with trailers/);
  });

  it("lets pages of the allowed origins call, and no others", async (t) => {
    const ask = (origin: string, init: RequestInit) =>
      handler(new Request("http://test/proto.Simple/Route", { ...init, headers: { ...init.headers, origin } }));
    const preflight = { method: "OPTIONS", headers: { "access-control-request-method": "POST" } };
    const call = { method: "POST", headers: { "content-type": "application/json" }, body: "{}" };
    const allowed = await ask("https://app.example", preflight);
    assert.equal(allowed.status, 204);
    assert.equal(allowed.headers.get("access-control-allow-origin"), "https://app.example");
    assert.equal(allowed.headers.get("access-control-allow-credentials"), "true");
    assert.match(allowed.headers.get("access-control-allow-headers")!, /Connect-Protocol-Version/);
    assert.equal(allowed.headers.get("access-control-max-age"), "7200");
    const answer = await ask("https://app.example", call);
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get("access-control-expose-headers")!, /Grpc-Status/);
    assert.equal(answer.headers.get("vary"), "Origin");
    for (const init of [preflight, call]) {
      const refused = await ask("https://other.example", init);
      assert.equal(refused.headers.get("access-control-allow-origin"), null);
    }
    // On HTTP/2, too.
    const over = asking(t, { ...OPTIONS, cors: { origins: "*", allowedHeaders: ["x-own"] } });
    const headers = { origin: "https://any.example", "access-control-request-method": "POST" };
    const { head, status } = await over({ method: "OPTIONS", headers });
    assert.deepEqual([status, head["access-control-allow-origin"]], [204, "*"]);
    assert.match(head["access-control-allow-headers"]!, /, x-own$/);
  });

  it("refuses CORS options that browsers would not accept", () => {
    const create = (cors: object) => () => createFetchHandler({ ...OPTIONS, cors: cors as never });
    assert.throws(create({ origins: "*", credentials: true }), /option cors\.credentials is true/);
    assert.throws(
      create({ origins: ["https://app.example/"] }),
      /option cors\.origins is an array: expected an array of/,
    );
    assert.throws(create({}), /option cors\.origins is undefined/);
  });
});
