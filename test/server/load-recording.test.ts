// Which calls of a server its load reports count: each one once, from its arrival, whatever its protocol.
import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { describe, it, type TestContext } from "node:test";
import {
  Code,
  ConnectError,
  createClient,
  decodeBinaryHeader,
  type Interceptor,
  type Transport,
} from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { Simple } from "../../gen/simple_pb.ts";
import { type OrcaLoadReport, OrcaLoadReportSchema } from "../../gen/xds/data/orca/v3/orca_load_report_pb.ts";
import { grpcConnector } from "../../src/node.ts";
import {
  createGrpcServer,
  type CreateGrpcServerOptions,
  type LoadReports,
  recordCallMetrics,
  reportLoad,
} from "../../src/server.ts";
import { direct } from "../support/direct.ts";
import { eventually } from "../support/eventually.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { grpcRequest } from "./grpc-request.ts";

const TRAILER = "endpoint-load-metrics-bin";
const decoded = (value: string | null) => decodeBinaryHeader(value ?? assert.fail("no report"), OrcaLoadReportSchema);
/** What a server would report now. */
const now = (load: LoadReports): OrcaLoadReport => decoded(load.recorder.trailer(undefined));
const inFlight = (load: LoadReports) => now(load).namedMetrics["rif"];

/** A server that reports its load, and a transport for each protocol. */
async function serve(t: TestContext, loadReports: LoadReports, options: CreateGrpcServerOptions) {
  const server = createGrpcServer({ onError: () => {}, ...options, loadReports });
  const { address } = await server.listen({ host: "127.0.0.1" });
  const { transport, close } = direct(grpcConnector(), address);
  t.after(async () => {
    await close(0);
    server.closeAllConnections();
    await server.close();
  });
  const baseUrl = `http://${address}`;
  const fetch = ((url: string, init: RequestInit) => server.handler(new Request(url, init))) as typeof globalThis.fetch;
  const transports: readonly (readonly [string, Transport])[] = [
    ["gRPC", transport],
    ["gRPC-Web over HTTP/1.1", createGrpcWebTransport({ baseUrl })],
    ["Connect over HTTP/1.1", createConnectTransport({ baseUrl })],
    ["gRPC-Web over fetch", createGrpcWebTransport({ baseUrl, fetch })],
    ["Connect over fetch", createConnectTransport({ baseUrl, fetch })],
  ];
  /** Sends bytes on a connection of its own, and returns how to end it. */
  const send = (bytes: Uint8Array) => {
    const [ours, theirs] = duplexPair();
    server.serveConnection(theirs);
    ours.resume();
    ours.write(bytes);
    // Both, as one is not enough on every runtime.
    return () => [ours, theirs].forEach((end) => end.destroy());
  };
  return { transports, simple: createClient(Simple, transport), send };
}

describe("a server's load reports", () => {
  it("count a request before its content is complete, until the client gives it up", async (t) => {
    const load = reportLoad();
    const { send } = await serve(t, load, { routes: (router) => router.service(Simple, { route: () => ({}) }) });
    for (const type of ["application/grpc", "application/json"]) {
      const leave = send(grpcRequest("/proto.Simple/Route", { end: false, type }));
      await eventually(`a request of ${type} is in flight`, () => inFlight(load) === 1);
      leave();
      await eventually("none is in flight", () => inFlight(load) === 0);
    }
  });

  it("count a request while it waits at its gate, and come with a gate's errors", async (t) => {
    const load = reportLoad();
    const waiting: ((refused: boolean) => void)[] = [];
    const { transports } = await serve(t, load, {
      routes: (router) => router.service(Simple, { route: () => ({}) }),
      async requestGate() {
        if (await new Promise((resolve) => waiting.push(resolve))) throw new ConnectError("no", Code.PermissionDenied);
      },
    });
    for (const [name, transport] of transports) {
      for (const refused of [false, true]) {
        let report: string | null = null;
        const call = createClient(Simple, transport).route({}, { onTrailer: (all) => report = all.get(TRAILER) });
        const ended = call.catch((error) => {
          assert.equal(ConnectError.from(error).code, Code.PermissionDenied);
          report = ConnectError.from(error).metadata.get(TRAILER);
        });
        await eventually(`a call of ${name} is at the gate`, () => waiting.length === 1);
        assert.equal(inFlight(load), 1, name);
        waiting.pop()!(refused);
        await ended;
        assert.equal(decoded(report).namedMetrics["rif"], 0, name);
      }
    }
  });

  it("count each call once, in every protocol, also if a service names their interceptor", async (t) => {
    const seen: string[] = [];
    for (const own of [undefined, "router", "service"] as const) {
      const clock = new ManualClock();
      const load = reportLoad({ clock });
      const noting: Interceptor = (next) => (request) => {
        seen.push(request.method.name);
        return next(request);
      };
      const interceptors = [load.interceptor, noting];
      const { send, transports } = await serve(t, load, {
        ...own === "router" && { interceptors },
        routes: (router) =>
          router.service(Simple, {
            route: (_, context) => {
              recordCallMetrics(context, { requestCost: { rows: 3 } });
              return {};
            },
            async *routeServerStream() {
              yield {};
            },
          }, own === "service" ? { interceptors } : {}),
      });
      for (const [name, transport] of transports) {
        const { route, routeServerStream } = createClient(Simple, transport);
        const trailers: Headers[] = [];
        const onTrailer = (trailer: Headers) => void trailers.push(trailer);
        await route({}, { onTrailer });
        for await (const _ of routeServerStream({}, { onTrailer }));
        const [unary, stream] = trailers.map((trailer) => decoded(trailer.get(TRAILER)));
        assert.deepEqual([unary?.requestCost, unary?.namedMetrics["rif"]], [{ rows: 3 }, 0], name);
        assert.equal(stream?.namedMetrics["rif"], 0, name);
        clock.skip(1_000);
        assert.equal(now(load).rpsFractional, 2, name);
      }
      send(grpcRequest("/proto.Simple/Route", { type: "application/json", body: "{}" }));
      await eventually("it was counted", () => {
        clock.skip(1_000);
        return now(load).rpsFractional === 1;
      });
      assert.equal(inFlight(load), 0);
    }
    assert.ok(seen.length > 20, "the other interceptors stay");
  });

  it("come with errors that say nothing to the client, and count them as the server's own", async (t) => {
    const clock = new ManualClock();
    const load = reportLoad({ clock });
    const { transports } = await serve(t, load, {
      routes: (router) =>
        router.service(Simple, {
          route() {
            throw new Error("secret");
          },
          async *routeServerStream() {
            yield {};
            throw new Error("secret");
          },
        }),
    });
    for (const [name, transport] of transports) {
      const { route, routeServerStream } = createClient(Simple, transport);
      const streamed = async () => {
        for await (const _ of routeServerStream({}));
      };
      for (const call of [() => route({}), streamed]) {
        const { code, metadata, rawMessage } = await call().then(() => assert.fail(), (e) => ConnectError.from(e));
        assert.deepEqual([code, rawMessage], [Code.Internal, "internal error"], name);
        assert.equal(decoded(metadata.get(TRAILER)).namedMetrics["rif"], 0, name);
      }
      clock.skip(1_000);
      const { eps, rpsFractional } = now(load);
      assert.deepEqual([eps, rpsFractional], [2, 2], name);
    }
  });

  it("count a call that its client gave up as long as its handler runs", async (t) => {
    const load = reportLoad();
    let finish = () => {};
    const { simple } = await serve(t, load, {
      routes: (router) => router.service(Simple, { route: () => new Promise((done) => finish = () => done({})) }),
    });
    const given = new AbortController();
    const call = simple.route({}, { signal: given.signal });
    await eventually("it is in flight", () => inFlight(load) === 1);
    given.abort();
    await assert.rejects(call);
    assert.equal(inFlight(load), 1);
    finish();
    await eventually("it has ended", () => inFlight(load) === 0);
  });

  it("take the place of what a handler sets by their name", async (t) => {
    const load = reportLoad();
    const { transports } = await serve(t, load, {
      routes: (router) =>
        router.service(Simple, {
          route(_, { responseTrailer }) {
            responseTrailer.set(TRAILER, "AAAA");
            responseTrailer.set("x-other", "stays");
            return {};
          },
        }),
    });
    for (const [name, transport] of transports) {
      let trailer = new Headers();
      await createClient(Simple, transport).route({}, { onTrailer: (all) => trailer = all });
      assert.equal(decoded(trailer.get(TRAILER)).namedMetrics["rif"], 0, name);
      assert.equal(trailer.get("x-other"), "stays", name);
    }
  });
});
