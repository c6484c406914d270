import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it, type TestContext } from "node:test";
import {
  type Client,
  Code,
  ConnectError,
  createClient,
  createRouterTransport,
  type Transport,
} from "@connectrpc/connect";
import { connectNodeAdapter, createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { createConnectTransport as createFetchTransport } from "@connectrpc/connect-web";
import { Simple } from "../../gen/simple_pb.ts";
import { rawMethod } from "../../src/raw-method.ts";
import { isNoted } from "../../src/connection/note.ts";
import { markAttempt, readMark } from "../../src/connection/mark.ts";
import { transportConnector, type TransportConnectorOptions } from "../../src/connection/transport-connector.ts";
import { classifyTransportError } from "../../src/connection/transport-error.ts";
import { systemClock } from "../../src/time/clock.ts";
import { balanced } from "../support/balanced.ts";
import { countListeners } from "../support/count-listeners.ts";
import { eventually } from "../support/eventually.ts";
import { settled } from "../support/manual-clock.ts";
import { simpleRoutes } from "../support/simple.ts";
import { ErrorCode } from "../support/raw-http2/frame.ts";
import { startRawServer } from "../support/raw-http2/server.ts";
import { startSimpleServer } from "../support/servers/simple.ts";

const factories: Readonly<Record<string, (address: string) => Transport>> = {
  "connect-node over HTTP/2": (address) => createGrpcTransport({ baseUrl: `http://${address}` }),
  "connect-node over HTTP/1.1": (address) =>
    createConnectTransport({ baseUrl: `http://${address}`, httpVersion: "1.1", nodeOptions: { agent: false } }),
  "connect-web over fetch": (address) => createFetchTransport({ baseUrl: `http://${address}` }),
};

function link(make: (address: string) => Transport, address: string, options?: TransportConnectorOptions) {
  const link = transportConnector((endpoint) => make(endpoint.address), options)({ address }, {
    draining: () => assert.fail("a link without states told that it drains"),
    lost: () => assert.fail("a link without states told that it is lost"),
  });
  assert.equal(link.connect, undefined);
  return { link, simple: createClient(Simple, link.transport) as Client<typeof Simple> };
}

async function markOf(call: Promise<unknown>): Promise<string | undefined> {
  try {
    await call;
  } catch (error) {
    return readMark(error);
  }
  throw new Error("the call was answered");
}

async function read(responses: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of responses) count++;
  return count;
}

/** A server of HTTP/1.1; `leave` makes it hang up on requests. */
async function http1(t: TestContext, leave = false) {
  const handler = connectNodeAdapter({
    routes: (router) =>
      void router.service(Simple, {
        route: ({ data }) => {
          if (data === "quote") throw new ConnectError("connect ECONNREFUSED 10.0.0.1:5432", Code.Unavailable);
          return { value: `hello ${data}` };
        },
      }),
  });
  const server = createServer((request, response) => {
    if (leave) request.socket.destroy();
    else handler(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => new Promise<void>((resolve) => (server.closeAllConnections(), server.close(() => resolve())));
  t.after(close);
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, close };
}

describe("transportConnector", () => {
  for (const [name, make] of Object.entries(factories)) {
    describe(name, () => {
      it("marks a refused connection as not sent, for unary calls and streams", async (t) => {
        const { address, close } = await http1(t);
        await close();
        const { simple } = link(make, address);
        assert.equal(await markOf(simple.route({})), "not-sent");
        assert.equal(await markOf(read(simple.routeServerStream({}))), "not-sent");
      });

      // Over HTTP/2, connect-node reports the same as for a stream that the server cancelled.
      const known = !name.endsWith("HTTP/2");
      it(`${known ? "reports a lost connection" : "marks nothing"} when the server hangs up on a request`, async (t) => {
        const { address } = known ? await http1(t, true) : await hangingUp(t);
        const { simple } = link(make, address);
        for (const call of [() => simple.route({}), () => read(simple.routeServerStream({}))]) {
          const error = await call().then(() => assert.fail("it was answered"), (error) => ConnectError.from(error));
          if (known) assert.deepEqual([Code[error.code], readMark(error)], ["Unavailable", "maybe-processed"]);
          else assert.ok([undefined, "maybe-processed"].includes(readMark(error)), `it is marked ${readMark(error)}`);
        }
      });

      it("never takes a server's own words for a failure to connect", async (t) => {
        const { address } = name.endsWith("HTTP/2")
          ? await startSimpleServer({
            methods: {
              route() {
                throw new ConnectError("connect ECONNREFUSED 10.0.0.1:5432", Code.Unavailable);
              },
            },
          }).then((server) => (t.after(() => server.close()), server))
          : await http1(t);
        const { simple, link: { close } } = link(make, address);
        const mark = await markOf(simple.route({ data: "quote" }));
        assert.ok(mark === "answered" || mark === undefined, `it is marked ${mark}`);
        await close();
      });

      it("marks nothing that the caller aborted", async (t) => {
        const { address, close } = await http1(t);
        await close();
        const { simple } = link(make, address);
        assert.equal(await markOf(simple.route({}, { signal: AbortSignal.abort() })), undefined);
      });
    });
  }

  it("marks REFUSED_STREAM as refused", async (t) => {
    const server = await startRawServer(async (session) => {
      await session.handshake();
      for (;;) session.rst(await session.wholeRequest(), ErrorCode.refusedStream);
    });
    t.after(() => server.close());
    const { simple } = link((address) => createGrpcTransport({ baseUrl: `http://${address}` }), server.address);
    assert.equal(await markOf(simple.route({})), "refused");
    assert.equal(await markOf(read(simple.routeServerStream({}))), "refused");
  });

  it("carries calls over a router transport, with the caller's header, signal and streams", async () => {
    const transport = createRouterTransport(({ service }) =>
      service(Simple, {
        route: ({ data }, { requestHeader }) => ({ value: `${requestHeader.get("x")} ${data}` }),
        async *routeBidiStream(requests) {
          for await (const { data } of requests) yield { value: data };
        },
      })
    );
    const { simple } = link(() => transport, "in.process:1");
    assert.equal((await simple.route({ data: "b" }, { headers: { x: "a" } })).value, "a b");
    const two = async function* () {
      yield { data: "1" };
      yield { data: "2" };
    };
    assert.equal(await read(simple.routeBidiStream(two())), 2);
  });

  it("makes the transport with the first call, once, and closes it once after its calls", async () => {
    const story: unknown[] = [];
    let release: ((value: { value: string }) => void) | undefined;
    const { simple, link: { close } } = link(
      () => {
        story.push("made");
        return createRouterTransport(({ service }) =>
          service(Simple, { route: () => new Promise<{ value: string }>((resolve) => release = resolve) })
        );
      },
      "a:1",
      { close: (_, { address }) => void story.push(`closed ${address}`) },
    );
    assert.equal(story.length, 0);
    const first = simple.route({}).then(() => story.push("answered"));
    await eventually("the call runs", () => release !== undefined);
    const closed = close(10_000);
    assert.equal(await markOf(simple.route({})), "not-sent");
    release?.({ value: "" });
    await closed;
    await first;
    await close();
    assert.deepEqual(story.toSorted(), ["answered", "closed a:1", "made"]);
  });

  it("ends calls in flight when the grace of close is over", async () => {
    const { simple, link: { close } } = link(
      () => createRouterTransport(({ service }) => service(Simple, { route: () => new Promise(() => {}) })),
      "a:1",
    );
    const call = simple.route({}).then(() => assert.fail(), (error) => ConnectError.from(error));
    await close();
    assert.equal((await call).code, Code.Canceled);
  });

  it("asks the user's classifier instead of its own", async (t) => {
    const { address } = await http1(t, true);
    const asked: unknown[] = [];
    const { simple } = link(factories["connect-node over HTTP/1.1"]!, address, {
      classify: (error) => (asked.push(error), "refused"),
    });
    assert.equal(await markOf(simple.route({})), "refused");
    assert.ok(asked[0] instanceof ConnectError);
  });

  it("refuses anything but a function", () => {
    assert.throws(() => transportConnector({} as never), /takes a function .* not \{\}/);
    assert.throws(
      () => balanced({ connector: transportConnector as never }),
      /^TypeError: option connector is the function transportConnector: .*Call it: transportConnector\(…\)$/,
    );
  });
});

/** An HTTP/2 server that hangs up on each request. */
async function hangingUp(t: TestContext) {
  const server = await startRawServer(async (session) => {
    await session.handshake();
    await session.wholeRequest();
    session.destroy();
  });
  t.after(() => server.close());
  return server;
}

describe("the link of transportConnector", () => {
  const request = async function* () {};
  const events = { draining() {}, lost() {} };
  const stream = Simple.method.routeServerStream, unary = Simple.method.route;

  /** A transport whose calls end with their signal alone. */
  function silent() {
    const signals: AbortSignal[] = [];
    const aborted = (signal: AbortSignal | undefined) => {
      signals.push(signal!);
      return new Promise<never>((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)));
    };
    const transport: Transport = {
      unary: (_, signal) => aborted(signal),
      stream: (method, signal) => {
        const end = aborted(signal);
        end.catch(() => {});
        const message = { [Symbol.asyncIterator]: () => ({ next: () => end }) };
        const response = {
          stream: true,
          service: method.parent,
          method,
          header: new Headers(),
          trailer: new Headers(),
        };
        return Promise.resolve(
          { ...response, message } as unknown as Awaited<ReturnType<Transport["stream"]>>,
        ) as never;
      },
    };
    return { transport, signals, link: transportConnector(() => transport)({ address: "a:1" }, events) };
  }

  it("gives unary calls and streams the time that each was given, and less when it is closed again", async () => {
    const { link, signals } = silent();
    const call = link.transport.unary(unary, undefined, undefined, undefined, {}).catch((error) => error);
    await link.transport.stream(stream, undefined, undefined, undefined, request());
    const closed = link.close(0, Infinity);
    assert.equal((await call).code, Code.Canceled);
    assert.deepEqual(signals.map(({ aborted }) => aborted), [true, false]);
    await link.close(0);
    await closed;
    assert.deepEqual(signals.map(({ aborted }) => aborted), [true, true]);
  });

  it("ends calls when the grace of their kind is over, and then closes", async () => {
    const { link, signals } = silent();
    const call = link.transport.unary(unary, undefined, undefined, undefined, {}).catch((error) => error);
    await link.transport.stream(stream, undefined, undefined, undefined, request());
    const closing = link.close(1, Infinity);
    assert.deepEqual(signals.map(({ aborted }) => aborted), [false, false]);
    assert.equal((await call).code, Code.Canceled);
    assert.equal(signals[1]?.aborted, false);
    void link.close(Infinity, 1);
    await closing;
    assert.equal(signals[1]?.aborted, true);
  });

  it("sets a timer for each kind of calls whose time is limited, and for no other", async (t) => {
    const { link } = silent();
    const call = link.transport.unary(unary, undefined, undefined, undefined, {}).catch((error) => error);
    const timers = t.mock.method(systemClock, "timer");
    const delays = () => timers.mock.calls.map(({ arguments: [delayMs] }) => delayMs);
    void link.close(Infinity);
    assert.deepEqual(delays(), []);
    void link.close(86_400_000, 86_500_000);
    assert.deepEqual(delays(), [86_400_000, 86_500_000]);
    await link.close(0);
    await call;
  });

  it("ends calls at once when they are given no time", async () => {
    for (const given of [[], [0], [0, 0]] as const) {
      const { link, signals } = silent();
      const call = link.transport.unary(unary, undefined, undefined, undefined, {}).catch((error) => error);
      const closing = link.close(...given);
      assert.equal(signals[0]?.aborted, true);
      assert.equal((await call).code, Code.Canceled);
      await closing;
    }
  });

  it("is closed when its last call has ended, whatever time is left", async () => {
    for (const count of [1, 2]) {
      const { promise, resolve } = Promise.withResolvers<never>();
      const transport = { unary: () => promise, stream: () => promise } as unknown as Transport;
      const closes: unknown[] = [];
      const link = transportConnector(() => transport, { close: (...args) => void closes.push(args) })(
        { address: "a:1" },
        events,
      );
      const calls = Array.from(
        { length: count },
        () => link.transport.unary(unary, undefined, undefined, undefined, {}),
      );
      const closing = link.close(Infinity);
      await settled();
      assert.deepEqual(closes, []);
      resolve(undefined as never);
      await Promise.all([...calls, closing]);
      assert.deepEqual(closes, [[transport, { address: "a:1" }]]);
    }
  });

  it("closes nothing when no transport was made, and prints what the closing of one throws", async (t) => {
    const print = t.mock.method(console, "error", () => {});
    const connector = transportConnector(() => createRouterTransport(() => {}), {
      close() {
        throw new Error("mine");
      },
    });
    await connector({ address: "a:1" }, events).close();
    assert.equal(print.mock.callCount(), 0);
    const used = connector({ address: "a:1" }, events);
    await assert.rejects(used.transport.unary(unary, undefined, undefined, undefined, {}));
    await used.close();
    assert.equal(print.mock.callCount(), 1);
  });

  it("makes one transport for all calls", async () => {
    let made = 0;
    const link = transportConnector(() => (made++, createRouterTransport(simpleRoutes({ name: "a" }))))({
      address: "a:1",
    }, events);
    for (let i = 0; i < 2; i++) await link.transport.unary(unary, undefined, undefined, undefined, {});
    assert.equal(made, 1);
    await link.close();
  });

  it("leaves no listener on the caller's signal, however its call ends", async () => {
    const lasting = new AbortController();
    const listeners = countListeners(lasting.signal);
    const link = transportConnector(() => createRouterTransport(simpleRoutes({ name: "a" })))(
      { address: "a:1" },
      events,
    );
    await link.transport.unary(unary, lasting.signal, undefined, undefined, {});
    const { message } = await link.transport.stream(
      stream,
      lasting.signal,
      undefined,
      undefined,
      async function* () {
        yield { data: "x" };
      }(),
    );
    assert.equal(listeners(), 1);
    for await (const _ of message);
    assert.equal(listeners(), 0);
    const silentLink = silent().link;
    await silentLink.transport.stream(stream, lasting.signal, undefined, undefined, request());
    lasting.abort();
    await silentLink.close(Infinity);
    await link.close();
    assert.equal(listeners(), 0);
  });

  it("ends with a stream that can't be begun", async () => {
    const transport = { unary() {}, stream: () => Promise.reject(new Error("no")) } as unknown as Transport;
    const link = transportConnector(() => transport)({ address: "a:1" }, events);
    await assert.rejects(link.transport.stream(stream, undefined, undefined, undefined, request()), /^Error: no$/);
    await link.close(Infinity);
  });

  it("refuses methods without a schema, which its transports can't carry", async () => {
    const { link, signals } = silent();
    for (
      const call of [
        () => link.transport.unary(rawMethod("/a.B/C", "unary"), undefined, undefined, undefined, {}),
        () =>
          link.transport.stream(rawMethod("/a.B/C", "server_streaming"), undefined, undefined, undefined, request()),
      ]
    ) {
      const error = await call().then(() => assert.fail("it was carried"), (error) => error);
      assert.equal(error.code, Code.Unimplemented);
      assert.ok(isNoted(error, "final"));
    }
    assert.equal(signals.length, 0);
  });

  it("asks no classifier about a call that its caller aborted, nor about what is no error", async () => {
    const asked: unknown[] = [];
    const { transport } = silent();
    const connector = transportConnector(() => transport, { classify: (error) => (asked.push(error), "refused") });
    const link = connector({ address: "a:1" }, events);
    const abort = new AbortController();
    const call = link.transport.unary(unary, abort.signal, undefined, undefined, {});
    abort.abort(new Error("left"));
    await assert.rejects(call, /^Error: left$/);
    for (const thrown of ["away", null, undefined, 5]) {
      const throwing = { unary: () => Promise.reject(thrown), stream() {} } as unknown as Transport;
      const link = transportConnector(() => throwing, { classify: (error) => (asked.push(error), "refused") })(
        { address: "a:1" },
        events,
      );
      const error = await link.transport.unary(unary, undefined, undefined, undefined, {}).catch((error) => error);
      assert.equal(error, thrown);
    }
    assert.deepEqual(asked, []);
  });

  it("marks a call as not sent whose transport can't be made", async () => {
    for (
      const [create, why] of [
        [() => {
          throw new Error("no certificate");
        }, /can't create a transport to a:1: no certificate/],
        [() => {
          throw "no certificate";
        }, /can't create a transport to a:1: no certificate/],
        [() => undefined, /can't create a transport to a:1: expected a Connect Transport, not undefined/],
      ] as const
    ) {
      const link = transportConnector(create as () => never)({ address: "a:1" }, events);
      const failed = await link.transport.unary(unary, undefined, undefined, undefined, {}).catch((error) => error);
      assert.equal(readMark(failed), "not-sent");
      assert.match(String(failed), why);
      await link.close();
    }
  });

  it("prints what a classifier throws, or returns that is not an end, and ignores both", async (t) => {
    const print = t.mock.method(console, "error", () => {});
    const failing = createRouterTransport(() => {});
    const classifiers = [() => "sent", () => {
      throw new Error("mine");
    }];
    for (const classify of classifiers as unknown as (() => undefined)[]) {
      const link = transportConnector(() => failing, { classify })({ address: "a:1" }, events);
      const failed = await link.transport.unary(unary, undefined, undefined, undefined, {}).catch((error) => error);
      assert.equal(failed.code, Code.Unimplemented);
      assert.equal(readMark(failed), undefined);
    }
    assert.equal(print.mock.callCount(), 2);
  });

  it("refuses options of the wrong type", () => {
    const make = (options: unknown) => () => transportConnector(() => failing(), options as TransportConnectorOptions);
    const failing = () => createRouterTransport(() => {});
    assert.throws(make({ classify: "not-sent" }), /option classify is "not-sent": expected a function/);
    assert.throws(make({ close: true }), /option close is true: expected a function/);
    assert.throws(make(null), /transportConnector\(\) takes an options object, not null/);
  });
});

describe("markAttempt", () => {
  it("refuses anything but objects, and unknown ends", () => {
    assert.throws(
      () => markAttempt("oops" as unknown as Error, "refused"),
      /markAttempt takes an error object, not string/,
    );
    assert.throws(
      () => markAttempt(new Error(), "sent" as "refused"),
      /attempt end "sent": expected answered, not-sent/,
    );
  });
});

describe("classifyTransportError", () => {
  const failed = (cause: unknown, code = Code.Unavailable) =>
    new ConnectError("failed", code, undefined, undefined, cause);
  /** An error below as many others, each the cause of the next. */
  const below = (error: Error, others: number): Error =>
    others === 0 ? error : below(new Error("outer", { cause: error }), others - 1);
  const system = (code: string, more = {}) => Object.assign(new Error(code), { code, ...more });

  it("reads what proves that nothing was sent", () => {
    for (
      const cause of [
        system("ECONNREFUSED"),
        system("ENOTFOUND"),
        system("ENOENT", { syscall: "connect" }),
        system("ETIMEDOUT", { syscall: "connect" }),
        system("CERT_HAS_EXPIRED"),
        new TypeError("fetch failed", { cause: system("ECONNREFUSED") }),
        new AggregateError([system("ECONNREFUSED")]),
        new AggregateError([system("ECONNREFUSED"), system("ETIMEDOUT", { syscall: "connect" })]),
        new TypeError("error sending request for url (http://a:1/): client error (Connect): tcp connect error"),
      ]
    ) assert.equal(classifyTransportError(failed(cause)), "not-sent", String(cause));
  });

  it("calls nothing safe that may have been processed", () => {
    const loop = new Error("loop");
    loop.cause = loop;
    for (
      const cause of [
        undefined,
        "ECONNREFUSED",
        system("ERR_HTTP2_STREAM_CANCEL"),
        system("ERR_HTTP2_STREAM_ERROR"),
        new TypeError(
          "error sending request for url (http://a/client error (Connect)): client error (SendRequest): gone",
        ),
        // These come from interceptors, from headers and from fetch itself before it sends anything.
        new TypeError("Cannot read properties of undefined (reading 'fetch')"),
        new TypeError("Invalid header name: 'a b'"),
        new TypeError('Headers.append: "a b" is an invalid header name.'),
        new TypeError("Failed to construct 'Request': Failed to fetch"),
        new Error("Failed to fetch"),
        new ConnectError("connect ECONNREFUSED 10.0.0.1:5432", Code.Unavailable),
        loop,
        new AggregateError([]),
        new AggregateError(["ECONNREFUSED"]),
        new AggregateError([null]),
        below(system("ECONNREFUSED"), 7),
      ]
    ) assert.equal(classifyTransportError(failed(cause)), undefined, String(cause));
    assert.equal(classifyTransportError(failed(below(system("ECONNREFUSED"), 6))), "not-sent");
  });

  it("reads what nghttp2 says of a session that refuses a request, and that a server answered", () => {
    assert.equal(classifyTransportError(failed(system("ERR_HTTP2_INVALID_SESSION"))), "not-sent");
    assert.equal(classifyTransportError(failed(system("ERR_HTTP2_GOAWAY_SESSION"))), "refused");
    const refused = Object.assign(new Error("Stream closed with error code NGHTTP2_REFUSED_STREAM"), {
      code: "ERR_HTTP2_STREAM_ERROR",
    });
    assert.equal(classifyTransportError(failed(refused)), "refused");
    const answer = Object.assign(failed(system("ECONNREFUSED")), { isWireError: true });
    assert.equal(classifyTransportError(answer), "answered");
    assert.equal(classifyTransportError(failed(answer)), "answered");
  });

  it("takes no code of a Connect error for a system's", () => {
    assert.equal(classifyTransportError(Object.assign(failed(undefined), { code: "ECONNREFUSED" })), undefined);
  });

  it("knows a lost connection", () => {
    for (
      const cause of [
        system("ECONNRESET", { syscall: "read" }),
        system("ETIMEDOUT", { syscall: "read" }),
        system("EPIPE", { syscall: "write" }),
        system("ERR_HTTP2_SESSION_ERROR"),
        system("ERR_STREAM_PREMATURE_CLOSE"),
        system("UND_ERR_SOCKET"),
        new AggregateError([system("ECONNREFUSED"), system("ECONNRESET", { syscall: "read" })]),
        new TypeError("fetch failed", { cause: system("UND_ERR_SOCKET") }),
      ]
    ) assert.equal(classifyTransportError(failed(cause)), "maybe-processed", String(cause));
  });

  it("knows what fetch says on each platform when the connection failed", () => {
    for (
      const text of [
        "Failed to fetch",
        "Failed to fetch (api.example.com)",
        "network error",
        "NetworkError when attempting to fetch resource.",
        "Error in input stream",
        "Load failed",
        "The network connection was lost.",
        "fetch failed",
        "terminated",
        "error reading a body from connection",
        "Network request failed",
      ]
    ) assert.equal(classifyTransportError(failed(new TypeError(text), Code.Unknown)), "maybe-processed", text);
    for (const text of ["Network connection lost.", "internal error; reference = ebljv7j6m0rbdpl7olu1rnv9"]) {
      assert.equal(classifyTransportError(failed(new Error(text), Code.Unknown)), "maybe-processed", text);
    }
  });
});
