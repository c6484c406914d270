import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Attributes, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { Histogram } from "@opentelemetry/sdk-metrics";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { Code, ConnectError, type ConnectRouter, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { Simple } from "../../../gen/simple_pb.ts";
import { fetchConnector, gzip } from "../../../src/fetch.ts";
import { fixedHedging, roundRobin } from "../../../src/index.ts";
import { grpcConnector } from "../../../src/node.ts";
import { telemetry } from "../../../src/otel.ts";
import { eventually } from "../../support/eventually.ts";
import { simpleRoutes } from "../../support/simple.ts";
import { SERVER_ERRORS } from "./names.ts";
import { collector, program, type Spans, spans } from "./sdk.ts";

/** Spans as a tree of names. */
function tree(all: readonly ReadableSpan[], parent?: string): unknown[] {
  return all.filter(({ parentSpanContext }) => parentSpanContext?.spanId === parent).map((span) => {
    const inner = tree(all, span.spanContext().spanId);
    return inner.length === 0 ? span.name : [span.name, ...inner];
  });
}

/** The events of messages of a span. */
function messages({ events }: ReadableSpan): [name: string, attributes: Attributes][] {
  return events.filter(({ name }) => name.endsWith("message")).map(({ name, attributes = {} }) => [name, attributes]);
}

/** The same of all spans with a name. */
function messagesOf(all: readonly ReadableSpan[], name: string): ReturnType<typeof messages>[] {
  return all.filter((span) => span.name === name).map(messages);
}

/** Waits until so many spans have ended. */
async function ended(of: Spans, count: number): Promise<readonly ReadableSpan[]> {
  await eventually(`${count} spans`, () => of.ended.length >= count);
  assert.equal(of.ended.length, count);
  return of.ended;
}

describe("the spans of a call", () => {
  it("are gRPC's: the call, its attempt, and at the server a child of that", async (t) => {
    const client = spans(), server = spans();
    const { simple, addresses } = await program(t, {
      client: telemetry(client.options),
      server: telemetry(server.options),
    }, [simpleRoutes({ name: "a" })]);
    await simple.route({ data: "a secret" }, { headers: { authorization: "another" } });
    const all = [...await ended(client, 2), ...await ended(server, 1)];
    assert.deepEqual(tree(all), [["Sent.proto.Simple.Route", [
      "Attempt.proto.Simple.Route",
      "Recv.proto.Simple.Route",
    ]]]);
    assert.equal(new Set(all.map((span) => span.spanContext().traceId)).size, 1);
    const [call, attempt, received] = all as [ReadableSpan, ReadableSpan, ReadableSpan];
    assert.deepEqual([call.kind, received.kind], [SpanKind.CLIENT, SpanKind.SERVER]);
    for (const { status } of all) assert.deepEqual(status, { code: SpanStatusCode.OK });
    const [host, port] = addresses[0]!.split(":");
    assert.deepEqual(attempt.attributes, {
      "previous-rpc-attempts": 0,
      "transparent-retry": false,
      "network.peer.address": host,
      "network.peer.port": Number(port),
    });
    assert.equal(received.attributes["network.peer.address"], "127.0.0.1");
    assert.equal(received.parentSpanContext!.isRemote, true);
    assert.ok(call.events.some(({ name }) => name === "Delayed name resolution complete"));
    assert.ok(attempt.events.some(({ name }) => name === "Delayed LB pick complete"));
    const shown = JSON.stringify(
      all.map(({ name, attributes, events, status }) => ({ name, attributes, events, status })),
    );
    assert.doesNotMatch(shown, /secret|another|authorization/);
  });

  it("are children of the span that is active, also where a handler makes calls of its own", async (t) => {
    const all = spans(), t1 = telemetry(all.options);
    const { simple: behind } = await program(t, { client: t1, server: t1 }, [simpleRoutes({ name: "b" })]);
    const forward = (router: ConnectRouter) =>
      router.service(Simple, {
        route: (request) => behind.route(request),
        async *routeServerStream(request) {
          yield await behind.route(request);
          yield await behind.route(request);
        },
      });
    const { simple } = await program(t, { client: t1, server: t1 }, [forward]);
    const program1 = all.tracer.startSpan("program");
    await all.context.with(trace.setSpan(all.context.active(), program1), () => simple.route({}));
    program1.end();
    const route = ["Sent.proto.Simple.Route", ["Attempt.proto.Simple.Route", "Recv.proto.Simple.Route"]];
    assert.deepEqual(tree(await ended(all, 7)), [
      ["program", ["Sent.proto.Simple.Route", [
        "Attempt.proto.Simple.Route",
        ["Recv.proto.Simple.Route", route],
      ]]],
    ]);
    for await (const _ of simple.routeServerStream({}));
    assert.deepEqual(tree((await ended(all, 16)).slice(7)), [
      ["Sent.proto.Simple.RouteServerStream", [
        "Attempt.proto.Simple.RouteServerStream",
        ["Recv.proto.Simple.RouteServerStream", route, route],
      ]],
    ]);
  });

  it("have OpenTelemetry's names and attributes if asked for: no attempts, and other errors", async (t) => {
    const client = spans(), server = spans(), conventions = "otel";
    const { simple, addresses } = await program(t, {
      client: telemetry({ ...client.options, conventions }),
      server: telemetry({ ...server.options, conventions }),
    }, [(router) =>
      router.service(Simple, {
        route({ data }) {
          if (data !== "") throw new ConnectError("a text", Number(data));
          return {};
        },
      })], { retry: false });
    await simple.route({});
    for (let code = 1; code <= 16; code++) await assert.rejects(simple.route({ data: `${code}` }));
    const calls = await ended(client, 17), received = await ended(server, 17);
    assert.deepEqual(tree([calls[0]!, received[0]!]), [["proto.Simple/Route", "proto.Simple/Route"]]);
    const [host, port] = addresses[0]!.split(":");
    assert.deepEqual(calls[0]!.attributes, {
      "rpc.system.name": "grpc",
      "rpc.method": "proto.Simple/Route",
      "rpc.status_code": "OK",
      "server.address": "test:///simple",
      "network.peer.address": host,
      "network.peer.port": Number(port),
    });
    assert.equal(received[0]!.attributes["rpc.method"], "proto.Simple/Route");
    assert.equal(calls[0]!.status.code, SpanStatusCode.UNSET);
    for (let code = 1; code <= 16; code++) {
      const status = String(calls[code]!.attributes["rpc.status_code"]);
      assert.equal(calls[code]!.attributes["error.type"], status);
      assert.equal(calls[code]!.status.code, SpanStatusCode.ERROR, status);
      const error = SERVER_ERRORS.includes(status);
      assert.equal(received[code]!.attributes["error.type"], error ? status : undefined, status);
      assert.equal(received[code]!.status.code, error ? SpanStatusCode.ERROR : SpanStatusCode.UNSET, status);
    }
  });

  it("have both if asked for", async (t) => {
    const all = spans(), both = telemetry({ ...all.options, conventions: "both" });
    const { simple } = await program(t, { client: both, server: both }, [simpleRoutes({ name: "a" })]);
    await simple.route({});
    const [call, , received] = await ended(all, 3);
    assert.equal(call!.name, "Sent.proto.Simple.Route");
    for (const span of [call!, received!]) assert.equal(span.attributes["rpc.status_code"], "OK");
  });

  it("are one for each attempt that is repeated, with its status", async (t) => {
    const all = spans(), traced = telemetry(all.options);
    let failures = 1;
    const routes = (router: ConnectRouter) =>
      router.service(Simple, {
        route() {
          if (failures-- > 0) throw new ConnectError("busy", Code.Unavailable);
          return {};
        },
      });
    const { simple } = await program(t, { client: traced, server: traced }, [routes, routes], {
      retry: { initialBackoffMs: 1, maxBackoffMs: 1 },
      policy: roundRobin(),
    });
    await simple.route({});
    const attempt = ["Attempt.proto.Simple.Route", "Recv.proto.Simple.Route"];
    const found = await ended(all, 5);
    assert.deepEqual(tree(found), [["Sent.proto.Simple.Route", attempt, attempt]]);
    const attempts = found.filter(({ name }) => name.startsWith("Attempt"));
    assert.deepEqual(attempts.map(({ status }) => status), [
      { code: SpanStatusCode.ERROR, message: "UNAVAILABLE, busy" },
      { code: SpanStatusCode.OK },
    ]);
    assert.deepEqual(attempts.map(({ attributes }) => attributes["previous-rpc-attempts"]), [0, 1]);
    assert.deepEqual(attempts.map(({ attributes }) => attributes["transparent-retry"]), [false, false]);
    assert.deepEqual(found[0]!.status, { code: SpanStatusCode.OK });
  });

  it("are one for each hedge; the one that lost ends as cancelled", async (t) => {
    const all = spans(), traced = telemetry(all.options);
    const waiting: (() => void)[] = [];
    const routes = (router: ConnectRouter) =>
      router.service(Simple, {
        async route() {
          if (waiting.push(() => {}) === 1) await new Promise<void>((resolve) => waiting[0] = resolve);
          return {};
        },
      });
    const { simple, transport } = await program(t, { client: traced, server: traced }, [routes, routes], {
      defaultServiceConfig: { methods: { "proto.Simple": { hedging: fixedHedging({ maxAttempts: 2 }) } } },
    });
    await transport.connect();
    await eventually("both are ready", () => transport.snapshot().endpoints!.every((e) => e.state === "ready"));
    await simple.route({});
    waiting[0]!();
    const found = await ended(all, 5);
    const attempts = found.filter(({ name }) => name.startsWith("Attempt"));
    assert.deepEqual(attempts.map(({ status }) => status.message?.split(",")[0]).toSorted(), ["CANCELLED", undefined]);
  });

  it("end with calls that fail, are aborted or abandoned, and cut what servers say", async (t) => {
    const all = spans(), traced = telemetry(all.options);
    const { simple, transport } = await program(t, { client: traced, server: traced }, [
      (router) =>
        router.service(Simple, {
          route: async ({ data }, { signal }) => {
            if (data === "long") throw new ConnectError(`\u001b[31m${"x".repeat(1_000)}`, Code.NotFound);
            if (data === "wrong") throw new Error("a secret of the server's");
            await new Promise((resolve) => signal.addEventListener("abort", resolve));
            return {};
          },
          async *routeServerStream(_, { signal }) {
            yield {};
            await new Promise((resolve) => signal.addEventListener("abort", resolve));
          },
        }),
    ]);
    await assert.rejects(simple.route({ data: "long" }));
    await assert.rejects(simple.route({ data: "wrong" }));
    await assert.rejects(simple.route({}, { timeoutMs: 20 }));
    const abort = new AbortController();
    const reader = simple.routeServerStream({}, { signal: abort.signal })[Symbol.asyncIterator]();
    await reader.next();
    abort.abort();
    await assert.rejects(reader.next());
    await assert.rejects(simple.route({}, { signal: AbortSignal.abort() }));
    await eventually("all ends", () => all.ended.length === 13);
    const texts = all.ended.filter(({ name }) => name.startsWith("Sent")).map(({ status }) => status.message ?? "");
    assert.deepEqual(texts.map((text) => text.split(",")[0]), [
      "NOT_FOUND",
      "INTERNAL",
      "DEADLINE_EXCEEDED",
      "CANCELLED",
      "CANCELLED",
    ]);
    assert.ok(texts[0]!.length < 220 && !texts[0]!.includes("\u001b"));
    assert.doesNotMatch(JSON.stringify(all.ended.map(({ status }) => status)), /a secret/);
    await transport.close();
  });

  it("propagate a context that is not sampled, without spans of attempts", async (t) => {
    const client = spans(false), server = spans();
    let header: string | null = null;
    const { simple } = await program(t, {
      client: telemetry(client.options),
      server: telemetry(server.options),
    }, [(router) =>
      router.service(Simple, {
        route(_, { requestHeader }) {
          header = requestHeader.get("traceparent");
          return {};
        },
      })]);
    await simple.route({});
    assert.match(header ?? "", /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    assert.equal(client.ended.length, 0);
  });

  it("have an event for each message, with its number and sizes, as gRPC has them", async (t) => {
    const client = spans(), server = spans();
    const { simple } = await program(
      t,
      {
        client: telemetry(client.options),
        server: telemetry(server.options),
      },
      [simpleRoutes({ name: "a" })],
      { connector: grpcConnector({ sendCompression: gzip, compressMinBytes: 20 }) },
    );
    await simple.route({ data: "x" });
    assert.deepEqual(messagesOf(await ended(client, 2), "Sent.proto.Simple.Route"), [[]]);
    assert.deepEqual(messagesOf(client.ended, "Attempt.proto.Simple.Route"), [[
      ["Outbound message", { "sequence-number": 0, "message-size": 3 }],
      ["Inbound message", { "sequence-number": 0, "message-size": 15 }],
    ]]);
    assert.deepEqual(messagesOf(await ended(server, 1), "Recv.proto.Simple.Route"), [[
      ["Inbound message", { "sequence-number": 0, "message-size": 3 }],
      ["Outbound message", { "sequence-number": 0, "message-size": 15 }],
    ]]);
    const data = "x".repeat(100);
    await simple.routeClientStream((async function* () {
      yield { data: "x" };
      yield { data };
    })());
    const [sent] = messagesOf(await ended(client, 4), "Attempt.proto.Simple.RouteClientStream");
    const [received] = messagesOf(await ended(server, 2), "Recv.proto.Simple.RouteClientStream");
    for (const [way, all] of [["Outbound", sent!], ["Inbound", received!]] as const) {
      const [first, second] = all.filter(([name]) => name === `${way} message`);
      assert.deepEqual(first![1], { "sequence-number": 0, "message-size": 3 });
      const { "message-size-compressed": compressed, ...rest } = second![1];
      assert.deepEqual(rest, { "sequence-number": 1, "message-size": 102 });
      assert.ok(Number(compressed) < 60, `${compressed}`);
    }
    await simple.route({ data });
    const [, unary] = messagesOf(await ended(server, 3), "Recv.proto.Simple.Route");
    assert.equal(unary![0]![1]["message-size"], 102);
    assert.ok(Number(unary![0]![1]["message-size-compressed"]) < 60);
  });

  it("have the sizes of compressed responses, of unary calls and of streams", async (t) => {
    const all = spans(), traced = telemetry(all.options);
    const value = "x".repeat(2_000);
    const { simple } = await program(t, { client: traced, server: traced }, [(router) =>
      router.service(Simple, {
        route: () => ({ value }),
        async *routeServerStream() {
          yield { value: "y" };
          yield { value };
        },
      })], { connector: grpcConnector({ sendCompression: gzip, compressMinBytes: 1 }) });
    await simple.route({ data: "z" });
    for await (const _ of simple.routeServerStream({ data: "z" }));
    for (const span of await ended(all, 6)) {
      const way = span.name.startsWith("Attempt") ? "Inbound message" : "Outbound message";
      const sent = messages(span).filter(([name]) => name === way).map(([, attributes]) => attributes);
      if (span.name.startsWith("Sent")) assert.deepEqual(sent, []);
      else assert.deepEqual(sent.map((size) => size["message-size"]), sent.length === 1 ? [2_003] : [3, 2_003]);
      if (sent.length === 0) continue;
      assert.ok(Number(sent.at(-1)!["message-size-compressed"]) < 200);
      assert.ok(sent.length === 1 || !("message-size-compressed" in sent[0]!));
    }
  });

  it("count the messages of each attempt from 0, and have no events of them in OpenTelemetry's form", async (t) => {
    for (const conventions of ["both", "otel"] as const) {
      const all = spans(), traced = telemetry({ ...all.options, conventions });
      let failures = 1;
      const { simple } = await program(t, { client: traced, server: traced }, [(router) =>
        router.service(Simple, {
          route() {
            if (failures-- > 0) throw new ConnectError("busy", Code.Unavailable);
            return {};
          },
        })], { retry: { initialBackoffMs: 1, maxBackoffMs: 1 } });
      await simple.route({});
      const found = await ended(all, conventions === "both" ? 5 : 3);
      const events = found.filter(({ kind, name }) => kind === SpanKind.CLIENT && !name.startsWith("Sent"))
        .map((span) => messages(span).map(([name, attributes]) => [name, attributes["sequence-number"]]));
      assert.deepEqual(
        events,
        conventions === "otel" ? [[]] : [[["Outbound message", 0]], [["Outbound message", 0], ["Inbound message", 0]]],
      );
      if (conventions === "otel") assert.deepEqual(found.flatMap(messages), []);
    }
  });

  it("have Connect's name at the client, too, and the sizes of messages over fetch", async (t) => {
    for (const protocol of ["connect", "grpc-web"] as const) {
      const all = spans(), traced = telemetry({ ...all.options, conventions: "both" });
      const { collect } = collector("producer");
      await collect(traced);
      const { simple } = await program(t, { client: traced, server: telemetry() }, [simpleRoutes({ name: "a" })], {
        connector: fetchConnector({ protocol, secure: false }),
      });
      await simple.route({ data: "x" });
      for await (const _ of simple.routeServerStream({ data: "x" }));
      const system = protocol === "connect" ? "connectrpc" : "grpc";
      const found = await ended(all, 4), call = found.find(({ name }) => name === "Sent.proto.Simple.Route");
      assert.equal(call!.attributes["rpc.system.name"], system);
      assert.deepEqual(messagesOf(found, "Attempt.proto.Simple.Route"), [[
        ["Outbound message", { "sequence-number": 0, "message-size": 3 }],
        ["Inbound message", { "sequence-number": 0, "message-size": 15 }],
      ]]);
      const [stream] = messagesOf(found, "Attempt.proto.Simple.RouteServerStream");
      assert.deepEqual(stream!.map(([, size]) => size["message-size"]), [3, 17, 17, 17]);
      const metrics = await collect(traced);
      const [series] = metrics.get("rpc.client.call.duration")!.points;
      assert.equal(series!.attributes["rpc.system.name"], system);
      const received = metrics.get("grpc.client.attempt.rcvd_total_compressed_message_size")!.points;
      assert.deepEqual(received.map(({ value }) => (value as Histogram).sum).toSorted(), [15, 51]);
    }
  });

  it("are made for Connect's protocol as well, under its name", async (t) => {
    const server = spans();
    const { addresses } = await program(t, {
      client: telemetry(),
      server: telemetry({ ...server.options, conventions: "otel" }),
    }, [simpleRoutes({ name: "a" })]);
    const simple = createClient(Simple, createConnectTransport({ baseUrl: `http://${addresses[0]}` }));
    await simple.route({});
    const [span] = await ended(server, 1);
    assert.equal(span!.attributes["rpc.system.name"], "connectrpc");
    assert.equal(span!.parentSpanContext, undefined);
  });
});
