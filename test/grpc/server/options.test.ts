// Every option of a router or a service, on the path of this library's gRPC and on that of Connect's handlers.
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  type Client,
  Code,
  ConnectError,
  type ConnectRouter,
  createClient,
  createContextKey,
  createContextValues,
  type HandlerContext,
  type Interceptor,
} from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { Simple, SimpleRequestSchema } from "../../../gen/simple_pb.ts";
import { gzip } from "../../../src/grpc/compression.ts";
import { fetchHandler } from "../../../src/grpc/server/fetch-handler.ts";
import type { RouteOptions, ServiceOptions } from "../../../src/grpc/server/options.ts";
import { Services } from "../../../src/grpc/server/services.ts";
import type { GrpcOptions } from "../../../src/grpc/client/options.ts";
import { failure, values } from "../link.ts";
import { asking, envelope } from "./http.ts";
import { type Methods, pair } from "./pair.ts";

type Path = "gRPC" | "Connect's";
type Level = "router" | "service" | "method";

interface Subject {
  readonly client: Client<typeof Simple>;
  readonly path: Path;
  readonly level: Level;
  /** The methods that ran. */
  readonly ran: string[];
}

interface Setting {
  readonly methods?: Methods;
  readonly server?: Partial<ServiceOptions>;
  /** What the clients send, on either path. */
  readonly client?: GrpcOptions;
}

/** Runs a check with the option set at each level, once per path. */
function onBothPaths(
  what: string,
  options: RouteOptions,
  check: (subject: Subject) => Promise<void>,
  setting: Setting = {},
) {
  for (const level of ["router", "service", "method"] as const) {
    for (const path of ["gRPC", "Connect's"] as const) {
      it(`${what}: of a ${level}, on ${path} path`, async (t) => {
        const ran: string[] = [];
        const server = at(level, options, recording(setting.methods ?? {}, ran), setting.server);
        const client = path === "gRPC" ? overGrpc(t, server, setting) : overConnect(server, setting);
        await check({ client, path, level, ran });
      });
    }
  }
}

function at(
  level: Level,
  options: RouteOptions,
  methods: Methods,
  server: Partial<ServiceOptions> = {},
): ServiceOptions {
  const routes = (router: ConnectRouter) => {
    if (level !== "method") router.service(Simple, methods, level === "service" ? options : undefined);
    else {for (const method of Simple.methods) {
        const implementation = methods[method.localName as keyof Methods];
        if (implementation !== undefined) router.rpc(method, implementation as never, options);
      }}
  };
  return { onError() {}, ...level === "router" && options, ...server, routes };
}

function recording(methods: Methods, ran: string[]): Methods {
  const all: Methods = {
    route: ({ data }) => ({ value: data }),
    async *routeServerStream({ data }) {
      yield { value: data };
    },
    async routeClientStream(requests) {
      const all: string[] = [];
      for await (const { data } of requests) all.push(data);
      return { value: all.join() };
    },
    async *routeBidiStream(requests) {
      for await (const { data } of requests) yield { value: data };
    },
    ...methods,
  };
  const wrapped = Object.entries(all).map(([name, run]) => [name, (...args: unknown[]) => {
    ran.push(name);
    return (run as (...args: unknown[]) => unknown)(...args);
  }]);
  return Object.fromEntries(wrapped) as Methods;
}

function overGrpc(t: TestContext, server: ServiceOptions, { client }: Setting): Client<typeof Simple> {
  return pair(t, {}, { server, ...client !== undefined && { client } }).client;
}

function overConnect(server: ServiceOptions, { client = {} }: Setting): Client<typeof Simple> {
  const handler = fetchHandler(new Services(server));
  const fetch = async (url: string, init: RequestInit) => {
    const headers = new Headers(init.headers);
    let body = new Uint8Array(await new Response(init.body).arrayBuffer());
    // connect-web leaves compression to browsers.
    if (client.sendCompression !== undefined) {
      const compressed = await client.sendCompression.compress(body.subarray(5));
      body = Uint8Array.from([1, 0, 0, compressed.length >> 8, compressed.length & 0xff, ...compressed]);
      headers.set("grpc-encoding", client.sendCompression.name);
    }
    if (client.acceptCompression !== undefined) {
      headers.set("grpc-accept-encoding", client.acceptCompression.map(({ name }) => name).join());
    }
    return await handler(new Request(url, { ...init, headers, body }));
  };
  return createClient(
    Simple,
    createGrpcWebTransport({ baseUrl: "http://test", fetch: fetch as typeof globalThis.fetch }),
  );
}

async function* requests(...all: string[]) {
  for (const data of all) yield { data };
}

/** All kinds of calls that a client can make; browsers have no client streaming. */
function calls({ client, path }: Subject, data = "a"): Promise<unknown>[] {
  const all: Promise<unknown>[] = [client.route({ data }), values(client.routeServerStream({ data }))];
  if (path === "gRPC") {
    all.push(client.routeClientStream(requests(data)), values(client.routeBidiStream(requests(data))));
  }
  return all;
}

async function allFailWith(code: Code, subject: Subject, data?: string): Promise<void> {
  for (const call of calls(subject, data)) assert.equal((await failure(call)).error.code, code);
}

const key = createContextKey("none");

describe("an option for Connect's handlers", () => {
  onBothPaths("requestGate, which refuses a call before its handler runs", {
    requestGate(context) {
      throw new ConnectError(context.requestHeader.get("x") ?? "who are you?", Code.Unauthenticated);
    },
  }, async (subject) => {
    await allFailWith(Code.Unauthenticated, subject);
    assert.deepEqual(subject.ran, []);
  });

  onBothPaths("requestGate, which sets a handler's values and the response's headers", {
    async requestGate(context: HandlerContext) {
      await Promise.resolve();
      context.values.set(key, "gate");
      context.responseHeader.set("x-gate", "passed");
    },
  }, async ({ client }) => {
    let header: Headers | undefined;
    assert.equal((await client.route({}, { onHeader: (headers) => header = headers })).value, "gate");
    assert.equal(header?.get("x-gate"), "passed");
    assert.deepEqual(await values(client.routeServerStream({})), ["gate"]);
  }, {
    methods: {
      route: (_, { values }) => ({ value: values.get(key) }),
      async *routeServerStream(_, { values }) {
        yield { value: values.get(key) };
      },
    },
  });

  onBothPaths("interceptors, which refuse a call before its handler runs", {
    interceptors: [() => async () => {
      throw new ConnectError("no", Code.PermissionDenied);
    }],
  }, async (subject) => {
    await allFailWith(Code.PermissionDenied, subject);
    assert.deepEqual(subject.ran, []);
  });

  const order = (name: string): Interceptor => (next) => async (request) => {
    request.header.append("x-order", name);
    const response = await next(request);
    response.header.append("x-order", name);
    response.trailer.append("x-tail", name);
    return response;
  };
  onBothPaths("interceptors, in their order, around request and response", {
    interceptors: [order("outer"), order("inner")],
  }, async ({ client, path }) => {
    const seen: (string | null)[] = [];
    const options = {
      onHeader: (headers: Headers) => seen.push(headers.get("x-order")),
      onTrailer: (headers: Headers) => seen.push(headers.get("x-tail")),
    };
    assert.equal((await client.route({}, options)).value, "outer, inner");
    assert.deepEqual(seen.splice(0), ["inner, outer", "inner, outer"]);
    assert.deepEqual(await values(client.routeServerStream({}, options)), ["outer, inner"]);
    assert.deepEqual(seen, ["inner, outer", "inner, outer"]);
    if (path === "gRPC") assert.equal((await client.routeClientStream(requests("a", "b"))).value, "outer, inner a,b");
  }, {
    methods: {
      route: (_, { requestHeader }) => ({ value: requestHeader.get("x-order")! }),
      async *routeServerStream(_, { requestHeader }) {
        yield { value: requestHeader.get("x-order")! };
      },
      async routeClientStream(all, { requestHeader }) {
        const data: string[] = [];
        for await (const request of all) data.push(request.data);
        return { value: `${requestHeader.get("x-order")} ${data}` };
      },
    },
  });

  const replacing: Interceptor = (next) => async (request) => {
    const contextValues = createContextValues().set(key, "replaced");
    const response = await next({ ...request, contextValues, header: new Headers({ x: "new" }) } as typeof request);
    // Connect's handlers keep the status among the trailers.
    const trailer = new Headers([...response.trailer, ["x-end", "yes"]]);
    return { ...response, header: new Headers({ "x-new": "yes" }), trailer };
  };
  onBothPaths("interceptors, which replace what they like", { interceptors: [replacing] }, async ({ client }) => {
    const seen: Headers[] = [];
    const options = { onHeader: (headers: Headers) => seen.push(headers), onTrailer: (all: Headers) => seen.push(all) };
    assert.equal((await client.route({}, options)).value, "replaced new");
    assert.deepEqual(await values(client.routeServerStream({}, options)), ["replaced new"]);
    assert.deepEqual(seen.map((headers) => headers.get("x-new")), ["yes", null, "yes", null]);
    assert.deepEqual(seen.map((headers) => headers.get("x-end")), [null, "yes", null, "yes"]);
  }, {
    methods: {
      route: (_, context) => ({ value: `${context.values.get(key)} ${context.requestHeader.get("x")}` }),
      async *routeServerStream(_, context) {
        yield { value: `${context.values.get(key)} ${context.requestHeader.get("x")}` };
      },
    },
  });

  // Each in its own way of changing a request.
  const changes: Record<string, (request: Parameters<ReturnType<Interceptor>>[0], by: object) => object> = {
    assigned: (request, by) => Object.assign(request, by),
    spread: (request, by) => ({ ...request, ...by }),
    inherited: (request, by) => Object.assign(Object.create(request), by),
    defined: (request, by) => Object.defineProperties(request, Object.getOwnPropertyDescriptors(by)),
  };
  for (const [how, change] of Object.entries(changes)) {
    const signal = AbortSignal.abort(new Error("replaced"));
    const changing: Interceptor = (next) => (request) => {
      const { url, requestMethod, service, method, contextValues, header, message } = request;
      assert.deepEqual(Object.keys({ ...request }).toSorted(), Object.keys(request).toSorted());
      for (const name of ["url", "signal", "header", "contextValues", "message", "stream"] as const) {
        assert.ok(name in request);
        assert.equal(Object.getOwnPropertyDescriptor(request, name)?.value, request[name]);
      }
      assert.equal(new URL(url).pathname, `/proto.Simple/${method.name}`);
      assert.deepEqual([requestMethod, service, request.signal.aborted], ["POST", Simple, false]);
      assert.equal(request.signal, request.signal);
      assert.equal(header, request.header);
      assert.equal(contextValues.get(key), "none");
      const by = {
        header: new Headers({ x: "new" }),
        signal,
        contextValues: createContextValues().set(key, "replaced"),
        ...!request.stream && { message: { ...message, data: "changed" } },
      };
      const changed = change(request, by) as typeof request;
      assert.equal(changed.signal, signal);
      assert.equal(changed.header, by.header);
      assert.equal(changed.contextValues, by.contextValues);
      return next(changed);
    };
    const seen = ({ requestHeader, signal, values, url }: HandlerContext) =>
      [requestHeader.get("x"), signal.reason?.message, values.get(key), new URL(url).pathname].join();
    const answer = "new,replaced,replaced,/proto.Simple/Route";
    onBothPaths(
      `interceptors, with members of the request ${how}`,
      { interceptors: [changing] },
      async ({ client }) => {
        assert.equal((await client.route({ data: "a" })).value, `changed ${answer}`);
        assert.deepEqual(await values(client.routeServerStream({ data: "a" })), [`a ${answer}ServerStream`]);
      },
      {
        methods: {
          route: ({ data }, context) => ({ value: `${data} ${seen(context)}` }),
          async *routeServerStream({ data }, context) {
            yield { value: `${data} ${seen(context)}` };
          },
        },
      },
    );
  }

  onBothPaths("readMaxBytes", { readMaxBytes: 100 }, async (subject) => {
    await allFailWith(Code.ResourceExhausted, subject, "x".repeat(101));
    for (const call of calls(subject, "x".repeat(90))) await call;
  });

  onBothPaths("writeMaxBytes", { writeMaxBytes: 100 }, async (subject) => {
    await allFailWith(Code.ResourceExhausted, subject, "x".repeat(101));
    for (const call of calls(subject, "x".repeat(90))) await call;
  });

  onBothPaths("maxTimeoutMs", { maxTimeoutMs: 10_000 }, async ({ client, ran }) => {
    const { error } = await failure(client.route({}, { timeoutMs: 10_001 }));
    assert.equal(error.code, Code.InvalidArgument);
    assert.match(error.rawMessage, /10001ms must be <= 10000/);
    assert.deepEqual(ran, []);
    await client.route({}, { timeoutMs: 9_999 });
  });

  const refused: Compression = { ...gzip, name: "other" };
  onBothPaths("acceptCompression, without the request's", { acceptCompression: [gzip] }, async ({ client }) => {
    const { error } = await failure(client.route({ data: "a" }));
    assert.equal(error.code, Code.Unimplemented);
    assert.match(error.rawMessage, /unknown compression "other": supported encodings are gzip/);
  }, { client: { sendCompression: refused, compressMinBytes: 0 } });

  const used: string[] = [];
  const noted: Compression = {
    name: "noted",
    compress: (bytes) => {
      used.push("compress");
      return gzip.compress(bytes);
    },
    decompress: (bytes, most) => {
      used.push("decompress");
      return gzip.decompress(bytes, most);
    },
  };
  const client = { sendCompression: { ...gzip, name: "noted" }, compressMinBytes: 0, acceptCompression: [noted] };
  onBothPaths("acceptCompression and compressMinBytes", {
    acceptCompression: [noted],
    compressMinBytes: 50,
  }, async ({ client, path }) => {
    used.length = 0;
    await client.route({ data: "a" });
    assert.deepEqual(used, ["decompress"]);
    // connect-web doesn't decompress responses itself.
    if (path !== "gRPC") return;
    assert.equal((await client.route({ data: "x".repeat(50) })).value.length, 50);
    assert.deepEqual(used.slice(1), ["decompress", "compress", "decompress"]);
  }, { client });

  const reason = new ConnectError("the server shuts down", Code.Unavailable);
  const shutdown = new AbortController();
  onBothPaths("shutdownSignal", { shutdownSignal: shutdown.signal }, async ({ client }) => {
    const { error } = await failure(client.route({}));
    assert.equal(error.code, Code.Unavailable);
    assert.match(error.rawMessage, /shuts down/);
  }, {
    methods: {
      async route(_, { signal }) {
        queueMicrotask(() => shutdown.abort(reason));
        if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
        throw signal.reason;
      },
    },
  });

  onBothPaths("binaryOptions", { binaryOptions: { readUnknownFields: false } }, async ({ client }) => {
    const request = create(SimpleRequestSchema, { data: "a" });
    request.$unknown = [{ no: 99, wireType: 0, data: Uint8Array.of(1) }];
    assert.equal(toBinary(SimpleRequestSchema, request).length, 6);
    assert.equal((await client.route(request)).code, 0);
  }, { methods: { route: (request) => ({ code: request.$unknown?.length ?? 0 }) } });

  for (const level of ["router", "service", "method"] as const) {
    it(`jsonOptions: of a ${level}, on both paths`, async (t) => {
      const strict = at(
        level,
        { jsonOptions: { ignoreUnknownFields: false, alwaysEmitImplicit: true } },
        recording({}, []),
      );
      const lax = at(level, {}, recording({}, []));
      const bytes = (text: string) => new TextEncoder().encode(text);
      for (const [options, known, unknown] of [[strict, 200, 400], [lax, 200, 200]] as const) {
        const handler = fetchHandler(new Services(options));
        const ask = asking(t, options);
        for (const [json, expected] of [['{"data":"a"}', known], ['{"data":"a","b":1}', unknown]] as const) {
          const init = { method: "POST", headers: { "content-type": "application/json" }, body: json };
          const answer = await handler(new Request("http://test/proto.Simple/Route", init));
          assert.equal(answer.status, expected);
          const headers = { "content-type": "application/grpc+json" };
          const grpc = await ask({ headers, body: [envelope(bytes(json))] });
          assert.equal((grpc.trailers ?? grpc.head)["grpc-status"], expected === 200 ? "0" : "3");
          if (expected !== 200) continue;
          const shown = options === strict ? '{"code":0,"value":"a"}' : '{"value":"a"}';
          assert.deepEqual([await answer.text(), grpc.text.slice(5)], [shown, shown]);
        }
      }
    });
  }

  it("readMaxBytes is 4 MiB by default, on both paths", async (t) => {
    const server = at("router", {}, recording({}, []));
    for (const client of [overGrpc(t, server, {}), overConnect(server, {})]) {
      const { error } = await failure(client.route({ data: "x".repeat(4 * 1024 * 1024) }));
      assert.equal(error.code, Code.ResourceExhausted);
      assert.equal((await client.route({ data: "x".repeat(4_000_000) })).value.length, 4_000_000);
    }
  });

  it("requireConnectProtocolHeader is Connect's", async () => {
    const handler = fetchHandler(
      new Services(at("service", { requireConnectProtocolHeader: true }, recording({}, []))),
    );
    const ask = async (headers: Record<string, string>) => {
      const init = { method: "POST", headers: { "content-type": "application/json", ...headers }, body: "{}" };
      return (await handler(new Request("http://test/proto.Simple/Route", init))).status;
    };
    assert.deepEqual([await ask({}), await ask({ "connect-protocol-version": "1" })], [400, 200]);
  });

  it("requestPathPrefix precedes the paths of all methods, on both paths", async (t) => {
    const server = { ...at("router", {}, recording({}, [])), requestPathPrefix: "/api" };
    const ask = asking(t, server);
    const headers = { "content-type": "application/grpc" };
    const handler = fetchHandler(new Services(server));
    for (const [path, found] of [["/api/proto.Simple/Route", true], ["/proto.Simple/Route", false]] as const) {
      const { head, trailers } = await ask({ path, headers, body: [envelope(new Uint8Array(0))] });
      assert.equal((trailers ?? head)["grpc-status"], found ? "0" : "12");
      const init = { method: "POST", headers: { "content-type": "application/json" }, body: "{}" };
      assert.equal((await handler(new Request(`http://test${path}`, init))).status, found ? 200 : 404);
    }
  });

  it("of a service replaces the router's, and counts as omitted if it is undefined", async (t) => {
    const gate = (code: Code) => () => {
      throw new ConnectError("no", code);
    };
    const routes = (options: RouteOptions) => (router: ConnectRouter) =>
      router.service(Simple, recording({}, []), options);
    for (
      const [options, code] of [
        [{ requestGate: gate(Code.Aborted) }, Code.Aborted],
        [{ requestGate: undefined } as unknown as RouteOptions, Code.Unauthenticated],
        [{}, Code.Unauthenticated],
      ] as const
    ) {
      const server = { requestGate: gate(Code.Unauthenticated), routes: routes(options) };
      for (const client of [overGrpc(t, server, {}), overConnect(server, {})]) {
        assert.equal((await failure(client.route({}))).error.code, code);
      }
    }
  });

  it("grpc, grpcWeb or connect switches a protocol off, of a router for services with options too", async (t) => {
    const methods = recording({}, []);
    const protocols = async (router: RouteOptions, service: RouteOptions | undefined) => {
      const server: ServiceOptions = { ...router, routes: (to) => to.service(Simple, methods, service) };
      const handler = fetchHandler(new Services(server));
      const fetch = ((url: string, init: RequestInit) => handler(new Request(url, init))) as typeof globalThis.fetch;
      const transports = [
        pair(t, {}, { server }).transport,
        createGrpcWebTransport({ baseUrl: "http://test", fetch }),
        createConnectTransport({ baseUrl: "http://test", fetch }),
      ];
      const outcomes = transports.map((transport) => createClient(Simple, transport).route({}).then(() => 1, () => 0));
      return (await Promise.all(outcomes)).join("");
    };
    assert.equal(await protocols({}, undefined), "111");
    assert.equal(await protocols({ grpc: false }, undefined), "011");
    assert.equal(await protocols({ grpc: false }, { readMaxBytes: 5 }), "011");
    assert.equal(await protocols({}, { grpc: false } as RouteOptions), "011");
    assert.equal(await protocols({ grpcWeb: false }, {}), "101");
    assert.equal(await protocols({ connect: false }, {}), "110");
    assert.equal(await protocols({ grpc: false }, { grpc: true }), "111");
  });

  it("that is unknown or invalid is refused when the service is registered", () => {
    const wrong = (options: object) => () => new Services({ routes: (router) => router.service(Simple, {}, options) });
    assert.throws(
      wrong({ requestGates: () => {} }),
      /router\.service\(\) has no option "requestGates": did you mean requestGate\?/,
    );
    assert.throws(wrong({ readMaxBytes: "5" }), /option readMaxBytes is "5": expected whole bytes/);
  });
});
