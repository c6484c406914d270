import assert from "node:assert/strict";
import * as nodeTls from "node:tls";
import { describe, it, type TestContext } from "node:test";
import { type Client, Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { clone, createFileRegistry } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { file_simple, Simple } from "../../gen/simple_pb.ts";
import { readMark } from "../../src/connection/mark.ts";
import { fetchConnector, type FetchConnectorOptions, gzip, jsonFormat } from "../../src/fetch.ts";
import { createBalancedTransport, rawMethod, staticResolver } from "../../src/index.ts";
import { failureOf } from "../support/balanced.ts";
import { eventually } from "../support/eventually.ts";
import { type Http1Server, type Http1ServerOptions, startHttp1Server } from "../support/servers/http1.ts";
import { ca } from "../support/tls.ts";

const PROTOCOLS = ["connect", "grpc-web"] as const;

/** The demo service; it notes the signals of calls. */
async function serve(t: TestContext, options: Http1ServerOptions = {}): Promise<Http1Server & { ended: string[] }> {
  const ended: string[] = [];
  const server = await startHttp1Server((router) => {
    router.service(Simple, {
      route({ data }, context) {
        if (data === "fail") throw new ConnectError("as asked: ✓", Code.FailedPrecondition, { "x-why": "asked" });
        context.responseTrailer.set("x-end", "there");
        if (data.startsWith("wait")) {
          context.signal.addEventListener("abort", () => ended.push(data));
          return new Promise(() => {});
        }
        return { value: data.startsWith("long") ? "y".repeat(100_000) : `hello ${data}` };
      },
      async *routeServerStream({ data }, context) {
        context.signal.addEventListener("abort", () => ended.push(data));
        context.responseTrailer.set("x-end", "there");
        for (let i = 0; i < 3; i++) yield { value: `${data} ${i}`.padEnd(data === "long" ? 5_000 : 0) };
        if (data === "fail") throw new ConnectError("in the middle", Code.Aborted);
        if (data === "endless") await new Promise(() => {});
      },
      async routeClientStream(requests) {
        const texts: string[] = [];
        for await (const { data } of requests) texts.push(data);
        return { value: texts.join() };
      },
    });
  }, options);
  t.after(() => server.close());
  return { ...server, ended };
}

function clientOf(address: string, options: FetchConnectorOptions): Client<typeof Simple> {
  const link = fetchConnector(options)({ address }, { draining() {}, lost() {} });
  assert.equal(link.connect, undefined);
  return createClient(Simple, link.transport);
}

async function values(responses: AsyncIterable<{ value: string }>): Promise<string[]> {
  const all: string[] = [];
  for await (const { value } of responses) all.push(value);
  return all;
}

async function* texts(...all: string[]) {
  for (const data of all) yield { data };
}

for (const protocol of PROTOCOLS) {
  describe(`fetchConnector over ${protocol}`, () => {
    for (const binary of [true, false]) {
      it(`makes unary calls, server streams and client streams: ${binary ? "binary" : "JSON"}`, async (t) => {
        const { address, seen } = await serve(t);
        const simple = clientOf(address, { protocol, format: binary ? undefined : jsonFormat() });
        let trailer: Headers | undefined;
        const onTrailer = (headers: Headers) => void (trailer = headers);
        assert.equal((await simple.route({ data: "a" }, { onTrailer })).value, "hello a");
        assert.equal(trailer?.get("x-end"), "there");
        trailer = undefined;
        assert.deepEqual(await values(simple.routeServerStream({ data: "b" }, { onTrailer })), ["b 0", "b 1", "b 2"]);
        assert.equal((trailer as Headers | undefined)?.get("x-end"), "there");
        assert.equal((await simple.routeClientStream(texts("a", "b", "c"))).value, "a,b,c");
        const types = seen.map(({ headers }) => headers["content-type"]);
        const suffix = binary ? /\+?proto$/ : /\+?json$/;
        for (const type of types) assert.match(type!, suffix);
        for (const type of types) assert.match(type!, protocol === "connect" ? /^application\/(?!grpc)/ : /grpc-web/);
      });
    }

    it("gives the server's errors as they are, with their metadata", async (t) => {
      const { address } = await serve(t);
      const simple = clientOf(address, { protocol });
      const failed = await failureOf(simple.route({ data: "fail" })) as ConnectError;
      assert.deepEqual([failed.code, failed.rawMessage], [Code.FailedPrecondition, "as asked: ✓"]);
      assert.equal(failed.metadata.get("x-why"), "asked");
      const broken = await failureOf(values(simple.routeServerStream({ data: "fail" }))) as ConnectError;
      assert.deepEqual([broken.code, broken.rawMessage], [Code.Aborted, "in the middle"]);
      assert.deepEqual([readMark(failed), readMark(broken)], ["answered", "answered"]);
    });

    it("refuses a bidirectional stream at once, and says what to use", async () => {
      let sent = 0;
      const fetch = () => (sent++, Promise.reject(new Error("sent")));
      const transport = createBalancedTransport({
        resolver: staticResolver(["a:1", "b:1"]),
        connector: fetchConnector({ protocol, fetch }),
      });
      const simple = createClient(Simple, transport);
      const error = await failureOf(values(simple.routeBidiStream(texts("a")))) as ConnectError;
      assert.equal(error.code, Code.Unimplemented);
      assert.match(
        error.message,
        /RouteBidiStream .* fetch can't carry: use grpcConnector\(\) of connect-lb\/node, createWorkerTransport\(\) of /,
      );
      assert.equal(sent, 0);
      await transport.close();
    });

    it("ends a call that its caller aborts, and a stream that its reader leaves, at the server too", async (t) => {
      const { address, ended, seen } = await serve(t);
      const simple = clientOf(address, { protocol });
      const abort = new AbortController();
      const call = failureOf(simple.route({ data: "wait" }, { signal: abort.signal }));
      await eventually("the call arrived", () => seen.length === 1);
      abort.abort();
      assert.deepEqual([(await call as ConnectError).code, readMark(await call)], [Code.Canceled, undefined]);
      const stream = new AbortController();
      const reading = simple.routeServerStream({ data: "endless" }, { signal: stream.signal })[Symbol.asyncIterator]();
      await reading.next();
      stream.abort();
      const error = await failureOf((async () => {
        while (!(await reading.next()).done);
      })()) as ConnectError;
      assert.deepEqual([error.code, readMark(error)], [Code.Canceled, undefined]);
      await eventually("the server knows", () => ended.includes("wait") && ended.includes("endless"));
    });

    it("keeps deadlines, and sends them to the server", async (t) => {
      const { address, ended, seen } = await serve(t);
      const simple = clientOf(address, { protocol });
      const error = await failureOf(simple.route({ data: "wait" }, { timeoutMs: 200 })) as ConnectError;
      assert.deepEqual([error.code, readMark(error)], [Code.DeadlineExceeded, undefined]);
      const { headers } = seen[0]!;
      assert.match(String(headers["connect-timeout-ms"] ?? headers["grpc-timeout"]), /^200m?$/);
      await eventually("the server knows", () => ended.includes("wait"));
    });

    it("does not wait for the rest of a request when the caller aborts", async () => {
      let sent = 0;
      const fetch = () => (sent++, Promise.reject(new Error("sent")));
      const simple = clientOf("a:1", { protocol, fetch });
      const abort = new AbortController();
      const request = async function* () {
        yield { data: "a" };
        abort.abort();
        await new Promise(() => {});
      };
      const error = await failureOf(simple.routeClientStream(request(), { signal: abort.signal })) as ConnectError;
      assert.deepEqual([error.code, sent], [Code.Canceled, 0]);
    });

    it("reads what a server compressed, and compresses what it sends", async (t) => {
      const { address, seen } = await serve(t);
      const plain = clientOf(address, { protocol });
      assert.equal((await plain.route({ data: "long" })).value.length, 100_000);
      const simple = clientOf(address, { protocol, acceptCompression: [gzip], sendCompression: gzip });
      assert.equal((await simple.route({ data: "long".repeat(1_000) })).value.length, 100_000);
      assert.deepEqual((await values(simple.routeServerStream({ data: "long" }))).map(({ length }) => length), [
        5_000,
        5_000,
        5_000,
      ]);
      const { headers } = seen[1]!;
      assert.equal(headers[protocol === "connect" ? "content-encoding" : "grpc-encoding"], "gzip");
    });

    it("refuses a message larger than readMaxBytes, and one larger than writeMaxBytes", async (t) => {
      const { address } = await serve(t);
      const simple = clientOf(address, { protocol, readMaxBytes: 50_000, writeMaxBytes: 100 });
      for (const data of ["long", "x".repeat(101)]) {
        assert.equal((await failureOf(simple.route({ data })) as ConnectError).code, Code.ResourceExhausted);
      }
    });

    it("calls under a path, with headers that a call can replace, and through interceptors", async (t) => {
      const { address, seen } = await serve(t, { requestPathPrefix: "/api/v1" });
      const names: (string | null)[] = [];
      const interceptor: Interceptor = (next) => (request) => {
        names.push(request.header.get("x-name"));
        return next(request);
      };
      const headers = { "x-name": "all", authorization: "Bearer t" };
      const simple = clientOf(address, { protocol, pathPrefix: "/api/v1", headers, interceptors: [interceptor] });
      await simple.route({});
      await simple.route({}, { headers: { "x-name": "mine" } });
      await values(simple.routeServerStream({}));
      assert.deepEqual(names, ["all", "mine", "all"]);
      assert.deepEqual(seen.map(({ headers }) => headers["x-name"]), names);
      assert.ok(seen.every(({ url, headers }) => url.startsWith("/api/v1/proto.Simple/") && headers.authorization));
    });

    it("sends no header that a server would have to allow beside Connect's own list", async () => {
      const sent: string[] = [];
      const fetch = (_: string, { headers }: RequestInit) => {
        sent.push(...(headers as Headers).keys());
        return Promise.reject(new TypeError("Failed to fetch"));
      };
      await failureOf(clientOf("a:1", { protocol, fetch }).route({}, { timeoutMs: 1_000 }));
      const allowed = ["content-type", "connect-protocol-version", "connect-timeout-ms"];
      const web = ["content-type", "grpc-timeout", "x-grpc-web", "x-user-agent"];
      assert.deepEqual(sent.sort(), protocol === "connect" ? allowed.sort() : web);
    });

    it("allows a call as long as a timer takes, and sends whole milliseconds", async () => {
      const sent: (string | null)[] = [];
      const fetch = async (_: string, { headers, signal }: RequestInit) => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        sent.push((headers as Headers).get(protocol === "connect" ? "connect-timeout-ms" : "grpc-timeout"));
        throw signal!.aborted ? signal!.reason : new TypeError("Failed to fetch");
      };
      for (const timeoutMs of [2 ** 31, Infinity]) {
        for (const options of [{ timeoutMs }, {}]) {
          const client = clientOf("a:1", { protocol, fetch, defaultTimeoutMs: timeoutMs });
          const calls = [client.route({}, options), values(client.routeServerStream({}, options))];
          for (const call of calls) assert.equal((await failureOf(call) as ConnectError).code, Code.Unavailable);
        }
      }
      await failureOf(clientOf("a:1", { protocol, fetch }).route({}, { timeoutMs: 40_000.5 }));
      assert.deepEqual([...new Set(sent)], protocol === "connect" ? ["2147483647", "40001"] : ["2147484S", "40001m"]);
    });

    it("leaves a dead server out, and takes it back when it is there again", async (t) => {
      const servers = [await serve(t), await serve(t), await serve(t)] as const;
      const states: string[] = [], attempts: string[] = [];
      const transport = createBalancedTransport({
        resolver: staticResolver(servers.map(({ address }) => address)),
        connector: fetchConnector({ protocol }),
        backoff: { initialMs: 300, maxMs: 300 },
        onEvent: (event) => event.type === "connection-state" && states.push(`${event.endpoint.address} ${event.to}`),
        onAttempt: ({ endpoint, end }) => void attempts.push(`${endpoint.address} ${end}`),
      });
      t.after(() => transport.close());
      const simple = createClient(Simple, transport);
      for (let i = 0; i < 6; i++) await simple.route({});
      const { address } = servers[0], port = Number(address.split(":")[1]);
      await servers[0].close();
      for (let i = 0; i < 9; i++) await simple.route({});
      assert.equal(states[0], `${address} transient_failure`);
      const again = await startHttp1Server((router) => router.service(Simple, {}), { port });
      t.after(() => again.close());
      await eventually("the server is called again", async () => {
        await simple.route({}).catch(() => {});
        return again.seen.length > 1;
      });
    });

    it("reports a connection lost in the middle of a response", async (t) => {
      const { address, cut } = await serve(t);
      const simple = clientOf(address, { protocol });
      const error = await failureOf((async () => {
        for await (const { value } of simple.routeServerStream({ data: "endless" })) if (value.endsWith("2")) cut();
      })()) as ConnectError;
      assert.deepEqual([error.code, readMark(error)], [Code.Unavailable, "maybe-processed"]);
    });

    it("calls over TLS, with HTTP/2 where the runtime's fetch has it", async (t) => {
      const { address, seen } = await serve(t, { tls: true });
      const port = address.split(":")[1];
      const simple = clientOf(`localhost:${port}`, { protocol, secure: true, fetch: trusting(t) });
      assert.equal((await simple.route({ data: "a" })).value, "hello a");
      assert.equal((await values(simple.routeServerStream({ data: "b" }))).length, 3);
      assert.equal((await simple.routeClientStream(texts("a", "b"))).value, "a,b");
      for (const { version } of seen) assert.equal(version, "Deno" in globalThis ? "2.0" : "1.1");
    });
  });
}

/** A fetch that trusts the tests' CA. */
function trusting(t: TestContext): (url: string, init: RequestInit) => Promise<Response> {
  const { Deno, Bun } = globalThis as { Deno?: { createHttpClient(options: object): { close(): void } }; Bun?: object };
  if (Deno !== undefined) {
    const client = Deno.createHttpClient({ caCerts: [ca] });
    t.after(() => client.close());
    return (url, init) => fetch(url, { ...init, client } as RequestInit);
  }
  if (Bun !== undefined) return (url, init) => fetch(url, { ...init, tls: { ca } } as RequestInit);
  const before = nodeTls.getCACertificates("default");
  nodeTls.setDefaultCACertificates([...before, ca]);
  t.after(() => nodeTls.setDefaultCACertificates(before));
  return fetch;
}

describe("fetchConnector", () => {
  /** A fetch that notes what it is given, and answers with a status. */
  function noting(status = 200, headers: HeadersInit = { "content-type": "application/proto" }) {
    const urls: string[] = [], inits: RequestInit[] = [];
    const fetch = (url: string, init: RequestInit) => {
      urls.push(url);
      inits.push(init);
      return Promise.resolve({ status, headers: new Headers(headers), body: null } as Response);
    };
    return { urls, inits, fetch };
  }

  it("calls the endpoint by its authority, over https as it says or else as the option says", async () => {
    const { urls, fetch } = noting();
    const endpoints = [
      [{ address: "10.0.0.5:8000" }, "http://10.0.0.5:8000/"],
      [{ address: "[::1]:80" }, "http://[::1]/"],
      [{ address: "10.0.0.5:8000", secure: true }, "https://10.0.0.5:8000/"],
      [{ address: "10.0.0.5:8443", secure: true, authority: "a.example.com" }, "https://a.example.com:8443/"],
      [{ address: "10.0.0.5:8443", secure: true, authority: "a.example.com:443" }, "https://a.example.com/"],
    ] as const;
    for (const [endpoint, expected] of endpoints) {
      const link = fetchConnector({ protocol: "connect", fetch })(endpoint, { draining() {}, lost() {} });
      await createClient(Simple, link.transport).route({});
      assert.equal(urls.pop(), `${expected}proto.Simple/Route`);
    }
    const link = fetchConnector({ protocol: "connect", fetch, secure: true });
    for (const secure of [undefined, false]) {
      const { transport } = link({ address: "a:1", ...secure === false && { secure } }, { draining() {}, lost() {} });
      await createClient(Simple, transport).route({});
      assert.equal(urls.pop(), `${secure === false ? "http" : "https"}://a:1/proto.Simple/Route`);
    }
  });

  it("takes an object with a fetch of its own, such as a Worker's binding, and calls it as its method", async () => {
    const { urls, fetch } = noting();
    const binding = {
      calls: 0,
      fetch(url: string, init: RequestInit) {
        this.calls++;
        return fetch(url, init);
      },
    };
    await clientOf("a:1", { protocol: "connect", fetch: binding }).route({});
    assert.deepEqual([binding.calls, urls.length], [1, 1]);
  });

  it("calls a function without this, and says what is wrong with a method that needs it", async () => {
    const strict = function (this: unknown) {
      if (this !== undefined) throw new TypeError("Illegal invocation");
      return noting().fetch("", {} as RequestInit);
    };
    await clientOf("a:1", { protocol: "connect", fetch: strict }).route({});
    const method = () => {
      throw new TypeError("Illegal invocation: function called with incorrect `this` reference.");
    };
    const error = await failureOf(clientOf("a:1", { protocol: "connect", fetch: method }).route({})) as ConnectError;
    assert.deepEqual([error.code, readMark(error)], [Code.Internal, undefined]);
    assert.match(error.rawMessage, /option fetch is a method without its object: give the object/);
  });

  it("looks the runtime's fetch up when it calls", async (t) => {
    const { urls, fetch } = noting();
    const simple = clientOf("a:1", { protocol: "connect" });
    const { mock } = t.mock.method(globalThis, "fetch", fetch as never);
    await simple.route({});
    mock.restore();
    assert.equal(urls.length, 1);
  });

  it("keeps deadlines and ends calls whose fetch does not mind the signal, and lets a late response go", async () => {
    let cancelled = 0;
    let answer = (_: Response) => {};
    const body = () => new ReadableStream<Uint8Array<ArrayBuffer>>({ cancel: () => void cancelled++ });
    const headers = new Headers({ "content-type": "application/connect+proto" });
    const late = clientOf("a:1", { protocol: "connect", fetch: () => new Promise((resolve) => answer = resolve) });
    const error = await failureOf(late.route({}, { timeoutMs: 50 })) as ConnectError;
    assert.deepEqual([error.code, readMark(error)], [Code.DeadlineExceeded, undefined]);
    answer({ status: 200, headers, body: body() } as Response);
    await eventually("the late response is let go", () => cancelled === 1);

    const fetch = () => Promise.resolve({ status: 200, headers, body: body() } as Response);
    const abort = new AbortController();
    const reading = failureOf(values(
      clientOf("a:1", { protocol: "connect", fetch }).routeServerStream({}, { signal: abort.signal }),
    ));
    await new Promise((resolve) => setTimeout(resolve, 0));
    abort.abort();
    assert.equal((await reading as ConnectError).code, Code.Canceled);
    await eventually("the response is let go", () => cancelled === 2);
  });

  it("says that a server redirects, in place of following", async () => {
    for (const [status, text] of [[307, "(HTTP 307)"], [0, "redirects the call, and"]] as const) {
      const { fetch, inits } = noting(status);
      const error = await failureOf(clientOf("a:1", { protocol: "connect", fetch }).route({})) as ConnectError;
      assert.equal(inits[0]?.redirect, "manual");
      assert.ok(error.rawMessage.includes(text), error.rawMessage);
      assert.equal(readMark(error), undefined);
    }
  });

  it("takes the answers of Cloudflare's edge for what they are: the server can't be reached", async () => {
    for (const status of [521, 522, 530]) {
      const { fetch } = noting(status);
      const error = await failureOf(clientOf("a:1", { protocol: "connect", fetch }).route({})) as ConnectError;
      assert.deepEqual([error.code, readMark(error)], [Code.Unavailable, "maybe-processed"]);
      assert.equal(error.rawMessage, `the connection to a:1 failed: HTTP ${status}`);
    }
    const error = await failureOf(clientOf("a:1", { protocol: "connect", fetch: noting(503).fetch }).route({}));
    assert.deepEqual([(error as ConnectError).code, readMark(error)], [Code.Unavailable, "answered"]);
  });

  it("takes whatever fetch throws for a failed connection, but not what others throw", async () => {
    const of = async (options: Omit<FetchConnectorOptions, "protocol">) => {
      const error = await failureOf(clientOf("a:1", { protocol: "connect", ...options }).route({}));
      return [Code[ConnectError.from(error).code], readMark(error)];
    };
    const throws = (error: unknown) => () => {
      throw error;
    };
    const lost = ["Unavailable", "maybe-processed"];
    assert.deepEqual(await of({ fetch: throws(new TypeError("Failed to fetch")) }), lost);
    assert.deepEqual(await of({ fetch: throws(new Error("something of a binding")) }), lost);
    assert.deepEqual(await of({ fetch: throws("text") }), lost);
    const refused = Object.assign(new Error("connect"), { code: "ECONNREFUSED" });
    assert.deepEqual(await of({ fetch: throws(new TypeError("fetch failed", { cause: refused })) }), [
      "Unavailable",
      "not-sent",
    ]);
    const mine = new ConnectError("no token", Code.Unauthenticated);
    assert.deepEqual(await of({ fetch: throws(mine) }), ["Unauthenticated", undefined]);
    const { fetch } = noting();
    assert.deepEqual(await of({ fetch, interceptors: [() => throws(new TypeError("Failed to fetch"))] }), [
      "Unknown",
      undefined,
    ]);
    assert.deepEqual(
      await of({
        fetch,
        interceptors: [(next) => (request) => {
          request.header.set("a b", "");
          return next(request);
        }],
      }),
      ["Unknown", undefined],
    );
  });

  it("says why a connection failed, as far as the platform says", async () => {
    const cause = Object.assign(new Error("other side closed"), { code: "UND_ERR_SOCKET" });
    const fetch = () => Promise.reject(new TypeError("fetch failed", { cause }));
    const error = await failureOf(clientOf("a:1", { protocol: "connect", fetch }).route({})) as ConnectError;
    assert.equal(error.rawMessage, "the connection to a:1 failed: fetch failed: other side closed");
  });

  it("calls methods without side effects with GET if asked to", async (t) => {
    const proto = clone(FileDescriptorProtoSchema, file_simple.proto);
    proto.service[0]!.method[0]!.options!.idempotencyLevel = MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
    const service = createFileRegistry(proto, () => undefined).getService("proto.Simple") as typeof Simple;
    const { address, seen, close } = await startHttp1Server((router) => {
      router.service(service, { route: ({ data }) => ({ value: `hello ${data}` }) });
    });
    t.after(close);
    for (const useHttpGet of [false, true]) {
      const link = fetchConnector({ protocol: "connect", useHttpGet })({ address }, { draining() {}, lost() {} });
      assert.equal((await createClient(service, link.transport).route({ data: "a" })).value, "hello a");
    }
    assert.deepEqual(seen.map(({ method }) => method), ["POST", "GET"]);
    assert.match(seen[1]!.url, /^\/proto\.Simple\/Route\?connect=v1&base64=1&encoding=proto&message=/);
  });

  it("carries no calls without a schema, and no Unix sockets", async () => {
    const { transport } = fetchConnector({ protocol: "connect" })({ address: "a:1" }, { draining() {}, lost() {} });
    const method = rawMethod("/a.B/C", "unary");
    const raw = await failureOf(transport.unary(method, undefined, undefined, undefined, {})) as ConnectError;
    assert.match(raw.message, /rawMethod\(\) needs links of grpcConnector\(\)/);
    const error = await failureOf(clientOf("unix:/tmp/a", { protocol: "connect" }).route({})) as ConnectError;
    assert.equal(readMark(error), "not-sent");
    assert.match(error.message, /is a Unix socket, which can't be used here/);
  });

  it("refuses options of the wrong type", () => {
    const make = (options: unknown) => () => fetchConnector(options as FetchConnectorOptions);
    const protocol = "connect";
    assert.throws(make(undefined), /fetchConnector\(\) takes an options object with protocol, not undefined/);
    assert.throws(make({}), /option protocol is undefined: expected "connect" or "grpc-web"$/);
    assert.throws(
      make({ protocol: "grpc" }),
      /option protocol is "grpc": .*gRPC needs grpcConnector\(\) of connect-lb\/node, or createWorkerTransport\(\)/,
    );
    assert.throws(make({ protocol, fetch: "fetch" }), /option fetch is "fetch": expected a function like fetch/);
    assert.throws(make({ protocol, fetch: {} }), /option fetch is \{\}/);
    for (const pathPrefix of ["api", "//a", "/a?b", "/\\a"]) {
      assert.throws(make({ protocol, pathPrefix }), /option pathPrefix is .*: expected a path such as "\/api"/);
    }
    assert.throws(make({ protocol, headers: { "a b": "" } }), /option headers is an object: expected headers/);
    assert.throws(make({ protocol: "grpc-web", useHttpGet: true }), /option useHttpGet needs the Connect protocol/);
    assert.throws(make({ protocol, secure: "yes" }), /option secure is "yes": expected true or false/);
  });
});
