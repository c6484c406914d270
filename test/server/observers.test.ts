// What a server's observers hear: each call once, from its arrival to its end, whatever its protocol.
import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { describe, it, type TestContext } from "node:test";
import {
  Code,
  ConnectError,
  createClient,
  createContextKey,
  type Interceptor,
  type Transport,
} from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { toBinary } from "@bufbuild/protobuf";
import { Simple, SimpleRequestSchema } from "../../gen/simple_pb.ts";
import { rawMethod } from "../../src/index.ts";
import { grpcConnector } from "../../src/node.ts";
import { createGrpcServer, type CreateGrpcServerOptions, type ServerObserver } from "../../src/server.ts";
import { direct } from "../support/direct.ts";
import { eventually } from "../support/eventually.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { simpleRoutes } from "../support/simple.ts";
import { grpcRequest } from "./grpc-request.ts";

/** An observer that writes down what it hears. */
function notes(): { observer: ServerObserver; lines: string[] } {
  const lines: string[] = [];
  const observer: ServerObserver = {
    callStarted({ method, protocol, header }) {
      const name = `${protocol} ${method?.name ?? "?"} ${header.get("x-name") ?? ""}`.trim();
      lines.push(`${name} begins`);
      return {
        ended({ code, latencyMs, sentBytes, receivedBytes }) {
          const status = code === undefined ? "ok" : Code[code];
          lines.push(`${name}: ${status} after ${latencyMs}, ${receivedBytes} B in, ${sentBytes} B out`);
        },
      };
    },
  };
  return { observer, lines };
}

async function serve(t: TestContext, options: CreateGrpcServerOptions) {
  const server = createGrpcServer({ onError: () => {}, ...options });
  const { address } = await server.listen({ host: "127.0.0.1" });
  const { transport, close } = direct(grpcConnector(), address);
  t.after(async () => {
    await close(0);
    server.closeAllConnections();
    await server.close();
  });
  const baseUrl = `http://${address}`;
  const web: Record<"grpc-web" | "connect", Transport> = {
    "grpc-web": createGrpcWebTransport({ baseUrl }),
    connect: createConnectTransport({ baseUrl }),
  };
  return { server, address, transport, web, simple: createClient(Simple, transport) };
}

describe("a server's observers", () => {
  it("hear of each call with the bytes of its messages", async (t) => {
    const { observer, lines } = notes(), clock = new ManualClock();
    const { simple } = await serve(t, { observers: [observer], clock, routes: simpleRoutes({ name: "a" }) });
    const bytes = toBinary(SimpleRequestSchema, { $typeName: "proto.SimpleRequest", data: "x" }).length;
    await simple.route({ data: "x" }, { headers: { "x-name": "one" } });
    assert.deepEqual(lines.splice(0), [
      "grpc Route one begins",
      `grpc Route one: ok after 0, ${bytes} B in, 15 B out`,
    ]);
    for await (const _ of simple.routeServerStream({ data: "x" }));
    await eventually("its end", () => lines.length === 2);
    assert.deepEqual(lines.splice(0), [
      "grpc RouteServerStream begins",
      "grpc RouteServerStream: ok after 0, 3 B in, 51 B out",
    ]);
    await simple.routeClientStream((async function* () {
      yield { data: "x" };
      yield { data: "y" };
    })());
    assert.deepEqual(lines.splice(0), [
      "grpc RouteClientStream begins",
      "grpc RouteClientStream: ok after 0, 6 B in, 11 B out",
    ]);
  });

  it("hear of failures with the code that the client gets", async (t) => {
    const { observer, lines } = notes();
    const { simple } = await serve(t, {
      observers: [observer],
      routes: (router) =>
        router.service(Simple, {
          route({ data }) {
            throw data === "" ? new Error("a secret") : new ConnectError("no", Code.NotFound);
          },
        }),
      requestGate({ requestHeader }) {
        if (requestHeader.get("x-name") === "barred") throw new ConnectError("no", Code.PermissionDenied);
      },
    });
    await assert.rejects(simple.route({}), /internal error/);
    await assert.rejects(simple.route({ data: "x" }), /no/);
    await assert.rejects(simple.route({}, { headers: { "x-name": "barred" } }), /no/);
    await assert.rejects(async () => {
      for await (const _ of simple.routeServerStream({}));
    });
    assert.deepEqual(lines.filter((line) => !line.endsWith("begins")).map((line) => line.split(" after")[0]), [
      "grpc Route: Internal",
      "grpc Route: NotFound",
      "grpc Route barred: PermissionDenied",
      "grpc RouteServerStream: Unimplemented",
    ]);
  });

  it("hear of methods that the server does not have, without their names", async (t) => {
    const { observer, lines } = notes();
    const { transport } = await serve(t, { observers: [observer], routes: simpleRoutes({ name: "a" }) });
    const unknown = rawMethod("/made.Up/ByTheClient", "unary");
    await assert.rejects(transport.unary(unknown, undefined, undefined, undefined, {}, undefined), {
      code: Code.Unimplemented,
    });
    assert.deepEqual(lines.map((line) => line.split(" after")[0]), ["grpc ? begins", "grpc ?: Unimplemented"]);
  });

  it("hear once of calls that the client gives up, and at the deadline", async (t) => {
    const { observer, lines } = notes();
    const { server, simple } = await serve(t, {
      observers: [observer],
      routes: (router) => router.service(Simple, { route: (_, { signal }) => untilAborted(signal) }),
    });
    await assert.rejects(simple.route({}, { timeoutMs: 20 }), { code: Code.DeadlineExceeded });
    await eventually("the end at the deadline", () => lines.length === 2);
    const code = lines.splice(0)[1]!;
    // Whichever comes first: the server's own timer, or the client's reset.
    assert.match(code, /^grpc Route: (DeadlineExceeded|Canceled) /);
    for (const [type, body] of [["application/grpc", "\0".repeat(5)], ["application/json", "{}"]] as const) {
      const [ours, theirs] = duplexPair();
      server.serveConnection(theirs);
      ours.resume();
      ours.write(grpcRequest("/proto.Simple/Route", { type, body }));
      await eventually(`a request of ${type}`, () => lines.length === 1);
      [ours, theirs].forEach((end) => end.destroy());
      await eventually("its end", () => lines.length === 2);
      assert.match(lines.splice(0)[1]!, /: Canceled /);
    }
  });

  it("hear of the other protocols, without sizes", async (t) => {
    const { observer, lines } = notes(), clock = new ManualClock();
    const { web } = await serve(t, {
      observers: [observer],
      clock,
      routes: (router) =>
        router.service(Simple, {
          route: ({ data }) => {
            if (data === "bad") throw new ConnectError("no", Code.NotFound);
            return {};
          },
          async *routeServerStream() {
            yield {};
            throw new ConnectError("enough", Code.ResourceExhausted);
          },
        }),
    });
    for (const [name, transport] of Object.entries(web)) {
      const simple = createClient(Simple, transport);
      await simple.route({});
      await assert.rejects(simple.route({ data: "bad" }));
      await assert.rejects(async () => {
        for await (const _ of simple.routeServerStream({}));
      });
      const sizes = "after 0, undefined B in, undefined B out";
      await eventually("all ends", () => lines.length === 6);
      assert.deepEqual(lines.splice(0), [
        `${name} Route begins`,
        `${name} Route: ok ${sizes}`,
        `${name} Route begins`,
        `${name} Route: NotFound ${sizes}`,
        `${name} RouteServerStream begins`,
        `${name} RouteServerStream: ResourceExhausted ${sizes}`,
      ]);
    }
  });

  it("can leave something for their interceptor, which is outside of all others, in every protocol", async (t) => {
    const key = createContextKey("nothing"), seen: string[] = [];
    const noting = (name: string): Interceptor => (next) => (request) => {
      seen.push(`${name}: ${request.contextValues.get(key)}`);
      return next(request);
    };
    const observer: ServerObserver = {
      interceptor: noting("the observer's"),
      callStarted({ contextValues, method }) {
        contextValues.set(key, method!.name);
      },
    };
    const { simple, web } = await serve(t, {
      observers: [observer],
      interceptors: [noting("the server's")],
      routes: (router) =>
        router.service(Simple, { route: (_, { values }) => ({ value: values.get(key) }) }, {
          interceptors: [noting("the service's")],
        }),
    });
    for (const client of [simple, createClient(Simple, web["grpc-web"]), createClient(Simple, web.connect)]) {
      assert.equal((await client.route({})).value, "Route");
      assert.deepEqual(seen.splice(0), ["the observer's: Route", "the service's: Route"]);
    }
  });

  it("do no harm by throwing, and are refused if they are none", async (t) => {
    const { observer, lines } = notes(), printed: unknown[][] = [];
    t.mock.method(console, "error", (...args: unknown[]) => void printed.push(args));
    const throwing = () => {
      throw new Error("an observer's own");
    };
    const { simple } = await serve(t, {
      observers: [{ callStarted: throwing }, { callStarted: () => ({ ended: throwing }) }, observer],
      routes: simpleRoutes({ name: "a" }),
    });
    await simple.route({});
    assert.equal(lines.length, 2);
    assert.deepEqual(printed.map(([text]) => text), [
      "connect-lb: callStarted of an observer threw",
      "connect-lb: ended of an observer threw",
    ]);
    const routes = simpleRoutes({ name: "a" });
    assert.throws(() => createGrpcServer({ routes, observers: [{} as ServerObserver] }), /option observers/);
  });
});

async function untilAborted(signal: AbortSignal): Promise<never> {
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
  throw signal.reason;
}
