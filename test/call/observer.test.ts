import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DescMessage, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport, type Transport, type UnaryResponse } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { WatchedBalancer, WatchedSource } from "../../src/balancer/watched.ts";
import { balance } from "../../src/call/options.ts";
import type { CallAttempt } from "../../src/call/attempt.ts";
import { Call } from "../../src/call/call.ts";
import type { CallEnvironment } from "../../src/call/environment.ts";
import { Settings } from "../../src/call/settings.ts";
import type { Attempt, AttemptStart, CallObserver } from "../../src/call/observer.ts";
import type { Connection } from "../../src/connection/connection.ts";
import { makeConnection } from "../../src/connection/make-connection.ts";
import { markAttempt } from "../../src/connection/mark.ts";
import { note } from "../../src/connection/note.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import { view } from "../../src/policy/view.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { balanced } from "../support/balanced.ts";
import { fakeConnector } from "../support/fake-links.ts";
import { newClientCounter } from "../../src/snapshot.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { simpleRoutes } from "../support/simple.ts";

/** An observer that writes down what it hears. */
function notes(): { observer: CallObserver; lines: string[] } {
  const lines: string[] = [];
  const observer: CallObserver = {
    attemptStarted({ endpoint, method, number }) {
      const name = `${method.name} ${number} ${endpoint.address}`;
      lines.push(`${name} begins`);
      return ({ end, code, latencyMs }) => void lines.push(`${name}: ${end} ${code ?? "ok"} after ${latencyMs}`);
    },
  };
  return { observer, lines };
}

describe("an observer", () => {
  it("hears of each attempt when it begins and when it ends", async () => {
    const { observer, lines } = notes();
    const { client, clock, ready, transport } = balanced({
      observers: [observer],
      retry: { methods: ["proto.Simple"] },
      links: {
        transport: ({ address }) =>
          createRouterTransport(({ service }) =>
            service(Simple, {
              route() {
                if (address === "a:1") throw new ConnectError("away", Code.Unavailable);
                return {};
              },
              async *routeServerStream() {
                yield {};
                yield {};
              },
            })
          ),
      },
    });
    await ready();
    const call = client.route({});
    await clock.advance(100);
    await call;
    assert.deepEqual(lines.splice(0), [
      "Route 1 a:1 begins",
      `Route 1 a:1: answered ${Code.Unavailable} after 0`,
      "Route 2 b:1 begins",
      "Route 2 b:1: answered ok after 0",
    ]);
    const reader = client.routeServerStream({})[Symbol.asyncIterator]();
    await reader.next();
    await clock.advance(70);
    assert.deepEqual(lines.splice(0), ["RouteServerStream 1 c:1 begins"]);
    while (!(await reader.next()).done);
    assert.deepEqual(lines.splice(0), ["RouteServerStream 1 c:1: answered ok after 70"]);
    await transport.close();
  });

  it("may add to an attempt's headers, which the caller's and the next attempt's don't see", async () => {
    const got: (string | null)[] = [];
    const headers = new Headers({ mine: "yes" });
    const { client, ready, clock, transport } = balanced({
      observers: [{ attemptStarted: ({ header, number }) => header.append("traceparent", `attempt ${number}`) }],
      retry: { methods: ["proto.Simple"] },
      links: {
        transport: ({ address }) =>
          createRouterTransport(({ service }) =>
            service(Simple, {
              route(_, { requestHeader }) {
                got.push(requestHeader.get("traceparent"), requestHeader.get("mine"));
                if (address === "a:1") throw new ConnectError("away", Code.Unavailable);
                return {};
              },
            })
          ),
      },
    });
    await ready();
    const call = client.route({}, { headers });
    await clock.advance(100);
    await call;
    assert.deepEqual(got, ["attempt 1", "yes", "attempt 2", "yes"]);
    assert.equal(headers.has("traceparent"), false);
    await transport.close();
  });

  it("has no effect on calls when it throws, at the beginning or at the end", async (t) => {
    const print = t.mock.method(console, "error", () => {});
    const { observer, lines } = notes();
    const broken: CallObserver = {
      attemptStarted() {
        throw new Error("mine");
      },
    };
    const brokenEnd: CallObserver = {
      attemptStarted: () => () => {
        throw new Error("mine, too");
      },
    };
    const { client, ready, transport } = balanced({ observers: [broken, brokenEnd, observer] });
    await ready();
    assert.equal((await client.route({ data: "x" })).code, 200);
    assert.equal(lines.length, 2);
    assert.equal(print.mock.callCount(), 2);
    await transport.close();
  });

  it("hears the end of an attempt that found its connection full, too, as does its picker", async () => {
    const { observer, lines } = notes();
    let full = true;
    const done: [Connection, string][] = [];
    let shown: Connection | undefined;
    const { client, clock, ready, transport } = balanced({
      resolver: staticResolver(["a:1"]),
      observers: [observer],
      policy([connection]) {
        connection?.connect();
        if (connection !== undefined) shown ??= view(connection, {});
        return {
          pick: () => shown?.available ? shown : "wait",
          done: (connection, { end }) => void done.push([connection, end]),
        };
      },
      links: {
        transport: () => {
          const inner = createRouterTransport(simpleRoutes({ name: "a" }));
          return {
            stream: inner.stream,
            unary(...args: Parameters<Transport["unary"]>) {
              if (!full) return inner.unary(...args);
              full = false;
              return Promise.reject(note(markAttempt(new ConnectError("full", Code.Unavailable), "not-sent"), "full"));
            },
          } as Transport;
        },
      },
    });
    await ready();
    const call = client.route({ data: "x" });
    // The link hides its room, so that it is asked again after a pause.
    await clock.advance(100);
    assert.equal((await call).code, 200);
    assert.deepEqual(lines, [
      "Route 1 a:1 begins",
      `Route 1 a:1: not-sent ${Code.Unavailable} after 0`,
      "Route 1 a:1 begins",
      "Route 1 a:1: answered ok after 0",
    ]);
    assert.deepEqual(done.map(([, end]) => end), ["not-sent", "answered"]);
    assert.ok(done.every(([connection]) => connection === shown), "the object that it picked");
    await transport.close();
  });

  it("is notified once of an attempt that was not sent, after the picker, the health checks and the listeners", async () => {
    const told: string[] = [];
    const inner = roundRobin();
    const note = (who: string, address: string) => void (address === "a:1" && told.push(who));
    const { client, ready, clock, transport } = balanced({
      policy(...args) {
        const picker = inner(...args);
        return { pick: (call) => picker.pick(call), done: ({ endpoint }) => note("picker", endpoint.address) };
      },
      health: [() => ({ outcome: ({ endpoint }) => note("health check", endpoint.address) })],
      onAttempt: ({ endpoint }) => note("transport's listener", endpoint.address),
      observers: [{ attemptStarted: () => ({ endpoint }) => note("observer", endpoint.address) }],
      links: {
        transport({ address }) {
          const inner = createRouterTransport(simpleRoutes({ name: address }));
          const refuse = () => Promise.reject(markAttempt(new Error("refused"), "not-sent"));
          return { stream: inner.stream, unary: address === "a:1" ? refuse : inner.unary };
        },
      },
    });
    await ready();
    const options = balance({ onAttempt: ({ endpoint }) => note("call's listener", endpoint.address) });
    const call = client.route({ data: "x" }, options);
    await clock.advance(100);
    assert.equal((await call).value, "b:1: hello x");
    assert.deepEqual(told, ["picker", "health check", "call's listener", "transport's listener", "observer"]);
    await transport.close();
  });

  it("must be one", () => {
    assert.throws(() => balanced({ observers: [{} as CallObserver] }), /observers/);
    assert.throws(() => balanced({ observers: notes().observer as unknown as CallObserver[] }), /observers/);
  });
});

/** Sends every call twice at the same time, and answers with what comes first. */
class TwiceCall<I extends DescMessage, O extends DescMessage> extends Call<DescMethodUnary<I, O>, UnaryResponse<I, O>> {
  readonly replayable = true;

  async start(input: MessageInitShape<I>): Promise<UnaryResponse<I, O>> {
    return await Promise.any([this.#send(this.attemptNow()!, input), this.#send(this.attemptNow()!, input)]);
  }

  async #send(attempt: CallAttempt<UnaryResponse<I, O>>, input: MessageInitShape<I>): Promise<UnaryResponse<I, O>> {
    attempt.begin();
    const { method, signal, timeoutMs } = this;
    try {
      const answer = await attempt.connection.transport.unary(method, signal, timeoutMs, attempt.headerInit, input);
      attempt.answered(answer);
      return answer;
    } catch (error) {
      return await attempt.failed(error);
    }
  }

  attemptFailed(attempt: CallAttempt<UnaryResponse<I, O>>, error: unknown): Promise<UnaryResponse<I, O>> {
    attempt.ended("answered", error, undefined);
    return Promise.reject(error);
  }
}

describe("a call", () => {
  it("may have several attempts at a time, each of which counts and ends for itself", async () => {
    const clock = new ManualClock();
    const { connector } = fakeConnector({
      auto: true,
      transport: ({ address }) =>
        createRouterTransport(({ service }) =>
          service(Simple, {
            async route() {
              await new Promise<void>((resolve) => void clock.timer(address === "a:1" ? 300 : 100, resolve));
              if (address === "a:1") throw new ConnectError("late", Code.Internal);
              return { value: address };
            },
          })
        ),
    });
    const balancer = new WatchedBalancer(staticResolver(["a:1", "b:1"]), {
      target: undefined,
      connector,
      makeConnection,
      policy: roundRobin(),
      checks: [],
      panicShare: 0,
      clock,
      random: () => 0,
      onEvent: undefined,
      backoff: { initialMs: 1_000, maxMs: 1_000 },
      removedStreamGraceMs: undefined,
      idleTimeoutMs: Infinity,
    }, false);
    const ends: Attempt[] = [];
    const starts: AttemptStart[] = [];
    const source = new WatchedSource(balancer, balancer.chooser);
    const env: CallEnvironment = {
      balancer: source,
      clock,
      random: () => 0,
      waitTimeoutMs: 1_000,
      maxWaiting: Infinity,
      throttle: undefined,
      settings: new Settings({ retry: false, clock, random: () => 0 }),
      onAttempt: (attempt) => void ends.push(attempt),
      observers: [{ attemptStarted: (start) => void starts.push(start) }],
      callObservers: undefined,
      meter: undefined,
      calls: newClientCounter(),
    };
    source.start();
    await clock.advance(40);
    const call = new TwiceCall(env, Simple.method.route, undefined, undefined, undefined, undefined).start({});
    const inFlight = () => balancer.pool.connections.map((connection) => connection.inFlight);
    await settled();
    assert.deepEqual(inFlight(), [1, 1]);
    assert.deepEqual(starts.map(({ number, endpoint }) => [number, endpoint.address]), [[1, "a:1"], [2, "b:1"]]);
    await clock.advance(150);
    assert.equal((await call).message.value, "b:1");
    assert.deepEqual(inFlight(), [1, 0]);
    await clock.advance(200);
    assert.deepEqual(inFlight(), [0, 0]);
    assert.deepEqual(ends.map(({ number, code, latencyMs }) => [number, code, latencyMs]), [
      [2, undefined, 100],
      [1, Code.Internal, 300],
    ]);
    await balancer.close(0);
  });
});
