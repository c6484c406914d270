// Other clients, and the other protocols: over HTTP/2 on the port of gRPC, over HTTP/1.1 and over fetch.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, it, type TestContext } from "node:test";
import { promisify } from "node:util";
import {
  type Client,
  Code,
  ConnectError,
  type ConnectRouter,
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
import { asking, envelope } from "./http.ts";
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

  it(
    "refuses messages so that a client of Node's that has far more to send sees it, and can go on",
    HTTP2,
    async (t) => {
      const baseUrl = await listening(t);
      const transports = [
        connectNode.createGrpcTransport({ baseUrl }),
        connectNode.createGrpcWebTransport({ baseUrl, httpVersion: "2" }),
        connectNode.createConnectTransport({ baseUrl, httpVersion: "2" }),
      ];
      for (const transport of transports) {
        const client = createClient(Simple, transport);
        // Node's HTTP/2 drops all header sections while it has more than 10 MB to send, whether they will be sent or not.
        for (const length of [6_000_000, 6_000_000, 12_000_000]) {
          const { error } = await failure(client.route({ data: "x".repeat(length) }));
          assert.deepEqual([error.code, /larger than configured readMaxBytes/.test(error.message)], [
            Code.ResourceExhausted,
            true,
          ]);
        }
        assert.equal((await client.route({ data: "x" })).value, "hello x null");
      }
    },
  );

  it("leaves no client of Node's hanging that has far more to send than the server reads", HTTP2, async (t) => {
    const requestGate = () => {
      throw new ConnectError("no", Code.Unauthenticated);
    };
    const baseUrl = await listening(t, { requestGate });
    for (const create of [connectNode.createGrpcTransport, connectNode.createConnectTransport]) {
      const client = createClient(Simple, create({ baseUrl, httpVersion: "2" }));
      const { error } = await failure(client.route({ data: "x".repeat(20_000_000) }));
      assert.ok([Code.Unauthenticated, Code.Internal].includes(error.code), error.message);
    }
  });

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

  it("gives calls of all protocols any time that a client allows, beyond what a timer takes", async (t) => {
    const left: unknown[] = [];
    const methods: Methods = {
      async route(_, { requestHeader, signal, timeoutMs }) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        left.push(signal.aborted || timeoutMs()! < 2_000_000_000);
        return { value: requestHeader.get("x-asked")! };
      },
    };
    for (const maxTimeoutMs of [undefined, 5e9] as const) {
      const options = {
        routes: (router: ConnectRouter) => router.service(Simple, methods, { maxTimeoutMs } as object),
      };
      const ask = asking(t, options);
      const { handler } = createGrpcServer(options);
      for (
        const [protocol, name, value, most] of [
          ["application/json", "connect-timeout-ms", "2147483648", 5e9],
          ["application/json", "connect-timeout-ms", "9999999999", undefined],
          ["application/grpc-web+json", "grpc-timeout", "597H", 5e9],
          ["application/grpc-web+json", "grpc-timeout", "99999999H", undefined],
          ["application/grpc+json", "grpc-timeout", "99999999H", undefined],
        ] as const
      ) {
        const text = new TextEncoder().encode("{}");
        const body = protocol === "application/json" ? text : envelope(text);
        const headers = { "content-type": protocol, [name]: value, "x-asked": "yes" };
        const answer = await ask({ headers, body: [body] });
        const refused = maxTimeoutMs !== undefined && most === undefined;
        assert.match(answer.text || answer.head["grpc-message"]!, refused ? /must.*be/ : /yes/, value);
        if (protocol.startsWith("application/grpc+")) continue;
        const request = { method: "POST", headers, body: body as Uint8Array<ArrayBuffer> };
        const response = await handler(new Request("http://test/proto.Simple/Route", request));
        assert.match(await response.text() + response.headers.get("grpc-message"), refused ? /must.*be/ : /yes/, value);
      }
    }
    assert.deepEqual(new Set(left), new Set([false]));
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

  it("tells the handler of a client that leaves as a server does", async () => {
    let signal: AbortSignal | undefined;
    const leaving = createFetchHandler({
      routes: (router) =>
        router.service(Simple, {
          route: (_, context) =>
            new Promise((resolve) => {
              signal = context.signal;
              if (signal.aborted) resolve({});
              else signal.addEventListener("abort", () => resolve({}));
            }),
        }),
    });
    const client = new AbortController();
    const headers = { "content-type": "application/json" };
    const request = { method: "POST", headers, body: "{}", signal: client.signal };
    const answered = leaving(new Request("http://test/proto.Simple/Route", request));
    await eventually("the handler runs", () => signal);
    client.abort();
    await answered;
    assert.ok(signal!.reason instanceof ConnectError, `${signal!.reason}`);
    assert.equal(signal!.reason.code, Code.Canceled);
    signal = undefined;
    await leaving(new Request("http://test/proto.Simple/Route", { ...request, signal: AbortSignal.abort() }));
    if (signal !== undefined) assert.equal(((signal as AbortSignal).reason as ConnectError).code, Code.Canceled);
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
      create({ origins: ["https://a.example", "https://app.example/"] }),
      /option cors\.origins\[1\] is "https:\/\/app\.example\/": expected an origin such as .*, without a path$/,
    );
    assert.throws(
      create({ origins: ["*"] }),
      /option cors\.origins\[0\] is "\*": .* For all origins, cors\.origins is "\*" itself, without an array$/,
    );
    assert.throws(create({ origins: "https://app.example" }), /option cors\.origins is "https.*: expected an array/);
    assert.throws(create({}), /option cors\.origins is undefined/);
  });
});
