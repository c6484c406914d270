import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  Code,
  ConnectError,
  createClient,
  createRouterTransport,
  type Interceptor,
  type Transport,
} from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import type { Attempt } from "../../src/call/observer.ts";
import { balance } from "../../src/call/options.ts";
import type { BalancedTransportOptions } from "../../src/transport/options.ts";
import { createBalancedTransport } from "../../src/transport/transport.ts";
import { type AttemptEnd, markAttempt } from "../../src/connection/mark.ts";
import type { Endpoint } from "../../src/endpoint.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { fakeConnector } from "../support/fake-links.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { manualResolver } from "../support/manual-resolver.ts";
import { simpleRoutes } from "../support/simple.ts";

/** Makes the first attempts on an endpoint fail: before they read their request, or after some messages of it. */
interface Fault {
  readonly end?: AttemptEnd;
  readonly code?: Code;
  readonly times?: number;
  /** How many request messages the failing attempt reads first. */
  readonly reads?: number;
}

function faulty(inner: Transport, fault: Fault | undefined): Transport {
  let left = fault?.times ?? 1;
  const failure = () => {
    const error = new ConnectError("it broke", fault!.code ?? Code.Unavailable);
    return fault!.end === undefined ? error : markAttempt(error, fault!.end);
  };
  return {
    unary(...args) {
      if (fault !== undefined && left-- > 0) return Promise.reject(failure());
      return inner.unary(...args);
    },
    async stream(method, signal, timeoutMs, header, input, contextValues) {
      if (fault !== undefined && left-- > 0) {
        const iterator = input[Symbol.asyncIterator]();
        for (let i = 0; i < (fault.reads ?? 0); i++) await iterator.next();
        await iterator.throw?.(failure());
        throw failure();
      }
      return await inner.stream(method, signal, timeoutMs, header, input, contextValues);
    },
  };
}

function setUp(options: Partial<BalancedTransportOptions> & { faults?: Record<string, Fault>; links?: "manual" } = {}) {
  const { faults = {}, links: mode, ...rest } = options;
  const served: string[] = [];
  const clock = new ManualClock();
  const { connector, links } = fakeConnector({
    auto: mode !== "manual",
    transport: ({ address }: Endpoint) => {
      const routes = simpleRoutes({ name: address, onMessage: (data) => served.push(`${address} ${data}`) });
      return faulty(createRouterTransport(routes), faults[address]);
    },
  });
  const attempts: string[] = [];
  const transport = createBalancedTransport({
    resolver: staticResolver(["a:1", "b:1", "c:1"]),
    connector,
    clock,
    random: () => 0,
    onAttempt: (attempt: Attempt) => attempts.push(`${attempt.number} ${attempt.endpoint.address} ${attempt.end}`),
    ...rest,
  });
  return { transport, client: createClient(Simple, transport), clock, links, served, attempts };
}

async function* requests(...data: string[]) {
  for (const each of data) yield { data: each };
}

async function collect<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const message of messages) all.push(message);
  return all;
}

const codeOf = (code: Code) => (error: unknown) => error instanceof ConnectError && error.code === code;

describe("createBalancedTransport", () => {
  it("gives each call to the next endpoint, for all four kinds of methods", async () => {
    const { client, transport, clock } = setUp();
    const first = client.route({ data: "0" });
    await clock.advance(40);
    assert.equal((await first).value, "a:1: hello 0");
    assert.equal((await client.route({ data: "1" })).value, "b:1: hello 1");
    const streamed = await collect(client.routeServerStream({ data: "2" }));
    assert.deepEqual(streamed.map(({ value }) => value), ["c:1: hello 2 0", "c:1: hello 2 1", "c:1: hello 2 2"]);
    assert.equal((await client.routeClientStream(requests("x", "y"))).value, "a:1: x,y");
    const both = await collect(client.routeBidiStream(requests("x", "y")));
    assert.deepEqual(both.map(({ value }) => value), ["b:1: hello x", "b:1: hello y"]);
    assert.deepEqual(transport.snapshot().endpoints?.map(({ picks, inFlight }) => [picks, inFlight]), [
      [2, 0],
      [2, 0],
      [1, 0],
    ]);
    await transport.close();
  });

  it("does nothing before the first call", async () => {
    const { links, transport, clock } = setUp();
    await clock.advance(1_000);
    assert.equal(links.size, 0);
    assert.deepEqual(clock.pending, []);
    assert.equal(transport.snapshot().endpoints, undefined);
  });

  for (const end of ["not-sent", "refused"] as const) {
    it(`sends a ${end} call to another endpoint, idempotent or not`, async () => {
      const { client, clock, attempts, served } = setUp({ faults: { "a:1": { end } } });
      const call = collect(client.routeServerStream({ data: "x" }));
      await clock.advance(40);
      assert.equal((await call)[0]?.value, "b:1: hello x 0");
      assert.deepEqual(attempts, [`1 a:1 ${end}`, "2 b:1 answered"]);
      assert.equal(served.length, 3);
    });
  }

  it("repeats a call that may have been processed, where the method is idempotent", async () => {
    const { client, clock, attempts } = setUp({ faults: { "a:1": { end: "maybe-processed" } } });
    const call = client.route({ data: "x" });
    await clock.advance(40);
    assert.equal((await call).value, "b:1: hello x");
    assert.deepEqual(attempts, ["1 a:1 maybe-processed", "2 b:1 answered"]);
  });

  it("does not repeat a call that may have been processed where the method is not idempotent", async () => {
    const { client, clock, attempts } = setUp({ faults: { "a:1": { code: Code.Aborted } } });
    const call = collect(client.routeServerStream({ data: "x" }));
    call.catch(() => {});
    await clock.advance(40);
    await assert.rejects(call, (error) => {
      assert.ok(error instanceof ConnectError);
      assert.equal(error.code, Code.Aborted);
      assert.match(error.message, /proto\.Simple\/RouteServerStream: the attempt, on a:1, failed: it broke/);
      assert.ok(error.cause instanceof AggregateError);
      assert.match(error.cause.message, /1\. a:1 maybe-processed/);
      return true;
    });
    assert.deepEqual(attempts, ["1 a:1 maybe-processed"]);
  });

  it("gives the server's own error through as it is, and does not repeat the call", async () => {
    const refusal = new ConnectError("not you", Code.PermissionDenied);
    const { connector } = fakeConnector({
      auto: true,
      transport: () => faulty(createRouterTransport(() => {}), { end: "answered", code: Code.PermissionDenied }),
    });
    const { client, clock, attempts } = setUp({ connector });
    const call = client.route({ data: "x" });
    call.catch(() => {});
    await clock.advance(40);
    await assert.rejects(call, { code: refusal.code, rawMessage: "it broke" });
    assert.deepEqual(attempts, ["1 a:1 answered"]);
  });

  it("asks the endpoints again, after a pause, when all of them have refused", async () => {
    const fault = { end: "refused", times: 2 } as const;
    const { client, clock, attempts } = setUp({ faults: { "a:1": fault, "b:1": fault, "c:1": fault } });
    const call = client.route({ data: "x" });
    await clock.advance(500);
    assert.equal((await call).code, 200);
    assert.equal(attempts.length, 7);
  });

  it("gives up on servers that refuse every time, and says what it tried", async () => {
    const fault = { end: "refused", times: Infinity } as const;
    const { client, clock, attempts } = setUp({ faults: { "a:1": fault, "b:1": fault, "c:1": fault } });
    const call = client.route({ data: "x" });
    call.catch(() => {});
    await clock.advance(10_000);
    await assert.rejects(call, (error) => {
      assert.ok(error instanceof ConnectError);
      assert.equal(error.code, Code.Unavailable);
      assert.match(error.message, /the last of 16 attempts/);
      return true;
    });
    assert.equal(attempts.length, 16);
  });

  describe("a stream whose first attempt was refused arrives whole at another server", () => {
    const faults = { "a:1": { end: "refused", reads: 2 } } as const;

    it("server streaming", async () => {
      const { client, clock, served } = setUp({ faults });
      const call = collect(client.routeServerStream({ data: "x" }));
      await clock.advance(40);
      assert.equal((await call).length, 3);
      assert.deepEqual(served, ["b:1 x 0", "b:1 x 1", "b:1 x 2"]);
    });

    it("client streaming", async () => {
      const { client, clock, served } = setUp({ faults });
      const call = client.routeClientStream(requests("1", "2", "3", "4"));
      await clock.advance(40);
      assert.equal((await call).value, "b:1: 1,2,3,4");
      assert.deepEqual(served, ["b:1 1", "b:1 2", "b:1 3", "b:1 4"]);
    });

    it("bidirectional streaming", async () => {
      const { client, clock, served } = setUp({ faults });
      const call = collect(client.routeBidiStream(requests("1", "2", "3")));
      await clock.advance(40);
      assert.deepEqual((await call).map(({ value }) => value), ["b:1: hello 1", "b:1: hello 2", "b:1: hello 3"]);
      assert.deepEqual(served, ["b:1 1", "b:1 2", "b:1 3"]);
    });
  });

  it("does not repeat a stream of which more than 16 messages were read", async () => {
    const { client, clock, attempts } = setUp({ faults: { "a:1": { end: "refused", reads: 17 } } });
    const call = client.routeClientStream(requests(...Array.from({ length: 30 }, String)));
    call.catch(() => {});
    await clock.advance(40);
    await assert.rejects(call, codeOf(Code.Unavailable));
    assert.deepEqual(attempts, ["1 a:1 refused"]);
  });

  it("ends the caller's iterable when a call fails", async () => {
    let ended = 0;
    async function* endless() {
      try {
        for (;;) yield { data: "x" };
      } finally {
        ended++;
      }
    }
    const { client, clock } = setUp({ faults: { "a:1": { code: Code.Internal, reads: 2 } } });
    const call = client.routeClientStream(endless());
    call.catch(() => {});
    await clock.advance(40);
    await assert.rejects(call);
    await settled();
    assert.equal(ended, 1);
  });

  describe("waiting", () => {
    it("holds the process by one timer per call, and ends after waitTimeoutMs with an explanation", async () => {
      const resolver = manualResolver();
      const { client, clock, transport } = setUp({ resolver });
      const call = client.route({ data: "x" });
      call.catch(() => {});
      await settled();
      assert.equal(clock.held, 1);
      assert.equal(transport.snapshot().waiting, 1);
      await clock.advance(10_000);
      await assert.rejects(call, (error) => {
        assert.ok(codeOf(Code.Unavailable)(error));
        assert.match(
          String(error),
          /proto\.Simple\/Route: no connection within 10000 ms: the endpoints of simple_grpc/,
        );
        return true;
      });
      assert.equal(clock.held, 0);
      await transport.close();
    });

    it("ends with the call's own timeout", async () => {
      const { client, clock } = setUp({ links: "manual" });
      const call = client.route({ data: "x" }, { timeoutMs: 500 });
      call.catch(() => {});
      await clock.advance(499);
      assert.equal(clock.held, 1);
      await clock.advance(1);
      await assert.rejects(call, codeOf(Code.DeadlineExceeded));
    });

    it("ends when the caller aborts", async () => {
      const { client, clock } = setUp({ links: "manual" });
      const abort = new AbortController();
      const call = client.route({ data: "x" }, { signal: abort.signal });
      call.catch(() => {});
      await settled();
      abort.abort();
      await assert.rejects(call, codeOf(Code.Canceled));
      assert.equal(clock.held, 0);
    });

    it("fails at once, and says why, when every endpoint is failing", async () => {
      const { client, clock, links } = setUp({ links: "manual", resolver: staticResolver(["a:1", "b:1"]) });
      const call = client.route({ data: "x" });
      call.catch(() => {});
      await settled();
      links.get("a:1")!.refuse(new Error("connection refused"));
      links.get("b:1")!.refuse(new Error("no route"));
      await clock.advance(40);
      await assert.rejects(call, (error) => {
        assert.ok(codeOf(Code.Unavailable)(error));
        assert.match(String(error), /every endpoint is failing: a:1,b:1 has 2 endpoints \(2 transient_failure\)/);
        assert.match(String(error), /a:1: connection refused; b:1: no route/);
        return true;
      });
    });

    it("waits through failure when the call waits for readiness", async () => {
      const { client, clock, links } = setUp({ links: "manual", resolver: staticResolver(["a:1"]) });
      const call = client.route({ data: "x" }, balance({ waitForReady: true }, { timeoutMs: 60_000 }));
      await settled();
      for (let i = 0; i < 5; i++) {
        links.get("a:1")!.refuse();
        await clock.advance(8_000);
      }
      links.get("a:1")!.ready();
      await clock.advance(40);
      assert.equal((await call).value, "a:1: hello x");
    });

    it("fails at once when the set is empty, and says so", async () => {
      const resolver = manualResolver();
      const { client, clock } = setUp({ resolver });
      resolver.tell({ endpoints: [] });
      const call = client.route({ data: "x" });
      call.catch(() => {});
      await clock.advance(40);
      await assert.rejects(call, /there are no endpoints: simple_grpc has no endpoints/);
    });
  });

  describe("an outage of the resolver", () => {
    it("leaves the last set in use, marked as stale, and the resolver is started again", async () => {
      const resolver = manualResolver();
      const events: string[] = [];
      const { client, clock, transport } = setUp({ resolver, onEvent: ({ type }) => events.push(type) });
      resolver.tell({ endpoints: [{ address: "a:1" }] });
      const call = client.route({ data: "x" });
      await clock.advance(40);
      await call;
      resolver.fail(new Error("etcd is away"));
      await settled();
      assert.equal(transport.snapshot().stale?.cause.message, "etcd is away");
      assert.equal((await client.route({ data: "y" })).value, "a:1: hello y");
      await clock.advance(2_000);
      resolver.tell({ endpoints: [{ address: "b:1" }] });
      await clock.advance(40);
      assert.equal(transport.snapshot().stale, undefined);
      assert.equal((await client.route({ data: "z" })).value, "b:1: hello z");
      assert.deepEqual(events.filter((type) => type !== "connection-state"), [
        "endpoints-changed",
        "endpoints-stale",
        "endpoints-fresh",
        "endpoints-changed",
      ]);
      await transport.close();
    });
  });

  describe("time left", () => {
    it("goes down in whole milliseconds, rounded up and clamped", async () => {
      const seen: (number | undefined)[] = [];
      const { connector } = fakeConnector({
        auto: true,
        transport: () => {
          const inner = createRouterTransport(simpleRoutes({ name: "a" }));
          return {
            ...inner,
            unary(method, signal, timeoutMs, header, input, contextValues) {
              seen.push(timeoutMs);
              return inner.unary(method, signal, undefined, header, input, contextValues);
            },
          };
        },
      });
      const { client, clock, transport } = setUp({ connector });
      const connected = transport.connect();
      await clock.advance(40);
      await connected;
      for (const timeoutMs of [0.4, 1.5, 1e12, Infinity]) await client.route({ data: "x" }, { timeoutMs });
      await client.route({ data: "x" });
      assert.deepEqual(seen, [1, 2, 2 ** 31 - 1, 2 ** 31 - 1, undefined]);
      for (const timeoutMs of [0, -1]) {
        await assert.rejects(client.route({ data: "x" }, { timeoutMs }), codeOf(Code.DeadlineExceeded));
      }
      await assert.rejects(client.route({ data: "x" }, { timeoutMs: NaN }), codeOf(Code.InvalidArgument));
      assert.equal(seen.length, 5);
    });

    it("is over for a call whose connection is lost, or that its server cancels, as the deadline passes", async () => {
      for (
        const [afterMs, failed, seen] of [
          [1_000, Code.Unavailable, Code.DeadlineExceeded],
          [999, Code.Unavailable, Code.Unavailable],
          // A server that keeps the deadline itself may cancel a little early.
          [995, Code.Canceled, Code.DeadlineExceeded],
          [900, Code.Canceled, Code.Canceled],
        ] as const
      ) {
        let fail = (_: ConnectError) => {};
        const { connector } = fakeConnector({
          auto: true,
          transport: () => ({
            ...createRouterTransport(simpleRoutes({ name: "a" })),
            unary: () => new Promise((_, reject) => fail = reject),
          }),
        });
        const { client, clock, transport } = setUp({ connector, retry: false });
        const connected = transport.connect();
        await clock.advance(40);
        await connected;
        const call = client.route({ data: "x" }, { timeoutMs: 1_000 });
        const code = call.then(() => undefined, (error) => (error as ConnectError).code);
        await clock.advance(afterMs);
        fail(new ConnectError("lost", failed));
        assert.equal(await code, seen, `${Code[failed]} after ${afterMs} ms`);
        await transport.close();
      }
    });
  });

  describe("interceptors", () => {
    it("run once per call, and change what is sent", async () => {
      let runs = 0;
      const interceptor: Interceptor = (next) => async (request) => {
        runs++;
        assert.equal(request.url, "http://a-1-b-1-c-1/proto.Simple/Route");
        if (!request.stream) (request.message as unknown as { data: string }).data += "!";
        return await next(request);
      };
      const { client, clock, attempts } = setUp({ interceptors: [interceptor], faults: { "a:1": { end: "refused" } } });
      const call = client.route({ data: "x" });
      await clock.advance(40);
      assert.equal((await call).value, "b:1: hello x!");
      assert.equal(runs, 1);
      assert.equal(attempts.length, 2);
    });

    it("let a refused stream arrive whole at another server", async () => {
      const interceptor: Interceptor = (next) => (request) => next(request);
      const { client, clock } = setUp({
        interceptors: [interceptor],
        faults: { "a:1": { end: "refused", reads: 1 } },
      });
      const call = client.routeClientStream(requests("1", "2", "3"));
      await clock.advance(40);
      assert.equal((await call).value, "b:1: 1,2,3");
    });
  });

  describe("balance()", () => {
    it("reports each attempt of a call, with its endpoint", async () => {
      const seen: string[] = [];
      const { client, clock } = setUp({ faults: { "a:1": { end: "refused" } }, onAttempt: () => {} });
      const call = client.route(
        { data: "x" },
        balance({ onAttempt: ({ endpoint, number, end }) => seen.push(`${number} ${endpoint.address} ${end}`) }),
      );
      await clock.advance(40);
      await call;
      assert.deepEqual(seen, ["1 a:1 refused", "2 b:1 answered"]);
    });
  });

  describe("accounting", () => {
    it("counts a stream as in flight until its last message was read", async () => {
      const { client, clock, transport } = setUp({ resolver: staticResolver(["a:1"]) });
      const connected = transport.connect();
      await clock.advance(40);
      await connected;
      const inFlight = () => transport.snapshot().endpoints![0]!.inFlight;
      const iterator = client.routeServerStream({ data: "x" })[Symbol.asyncIterator]();
      for (let i = 0; i < 3; i++) await iterator.next();
      assert.equal(inFlight(), 1);
      assert.equal((await iterator.next()).done, true);
      assert.equal(inFlight(), 0);
    });

    it("counts a stream no more when its caller aborts", async () => {
      const { client, clock, transport } = setUp({ resolver: staticResolver(["a:1"]) });
      const connected = transport.connect();
      await clock.advance(40);
      await connected;
      const abort = new AbortController();
      const iterator = client.routeServerStream({ data: "x" }, { signal: abort.signal })[Symbol.asyncIterator]();
      await iterator.next();
      abort.abort();
      await assert.rejects(iterator.next(), codeOf(Code.Canceled));
      assert.equal(transport.snapshot().endpoints![0]!.inFlight, 0);
    });

    for (const interceptors of [[], [((next) => (request) => next(request)) satisfies Interceptor]]) {
      const kind = interceptors.length === 0 ? "a stream" : "a stream with interceptors";
      const streams = async () => {
        const { client, clock, transport, attempts } = setUp({ resolver: staticResolver(["a:1"]), interceptors });
        const connected = transport.connect();
        await clock.advance(40);
        await connected;
        const inFlight = () => transport.snapshot().endpoints![0]!.inFlight;
        return { client, inFlight, attempts, abort: new AbortController() };
      };

      it(`counts ${kind} no more when its reader has left and its caller aborts`, async () => {
        const { client, inFlight, attempts, abort } = await streams();
        for await (const _ of client.routeServerStream({ data: "x" }, { signal: abort.signal })) break;
        assert.equal(inFlight(), 1);
        abort.abort();
        await settled();
        assert.deepEqual([inFlight(), attempts], [0, ["1 a:1 maybe-processed"]]);
      });

      it(`counts ${kind} no more when its caller aborts while the reader is at work, who reads no further`, async () => {
        const { client, inFlight, attempts, abort } = await streams();
        const read = (async () => {
          for await (const _ of client.routeServerStream({ data: "x" }, { signal: abort.signal })) {
            assert.deepEqual([inFlight(), attempts], [1, []]);
            abort.abort();
            await settled();
            assert.deepEqual([inFlight(), attempts], [0, ["1 a:1 maybe-processed"]]);
          }
        })();
        await assert.rejects(read, codeOf(Code.Canceled));
        assert.deepEqual([inFlight(), attempts.length], [0, 1]);
      });
    }
  });

  describe("idleness", () => {
    it("lets everything go after a long time without calls, and begins again with the next one", async () => {
      const { client, clock, transport, links } = setUp({ idleTimeoutMs: 60_000 });
      const call = client.route({ data: "x" });
      await clock.advance(40);
      await call;
      await clock.advance(100_000);
      await client.route({ data: "y" });
      await clock.advance(60_000);
      assert.ok(![...links.values()].some(({ closed }) => closed), "there was a call in the last minute");
      await clock.advance(60_000);
      assert.ok([...links.values()].every(({ closed }) => closed));
      assert.deepEqual(clock.pending, []);
      const again = client.route({ data: "z" });
      await clock.advance(40);
      assert.match((await again).value, /hello z/);
      await transport.close();
    });
  });

  describe("idleness", () => {
    it("is not while a call waits, however long", async () => {
      const resolver = manualResolver();
      let resolved = 0;
      const { client, clock, transport } = setUp({
        idleTimeoutMs: 60_000,
        waitForReady: true,
        resolver: {
          ...resolver,
          resolve(signal) {
            resolved++;
            return resolver.resolve(signal);
          },
        },
      });
      let value: string | undefined;
      const call = client.route({ data: "x" }, { timeoutMs: 3_600_000 }).then((answer) => value = answer.value);
      await clock.advance(600_000);
      assert.equal(resolved, 1);
      resolver.tell({ endpoints: [{ address: "a:1" }] });
      for (let i = 0; i < 10 && value === undefined; i++) await clock.advance(40);
      assert.match(value ?? "not answered", /hello x/);
      await call;
      await transport.close();
    });
  });

  describe("close", () => {
    it("fails calls that wait and later ones, closes links, and can be called twice", async () => {
      const { client, transport, links } = setUp({ links: "manual" });
      const call = client.route({ data: "x" });
      call.catch(() => {});
      await settled();
      await transport.close();
      await transport.close();
      await assert.rejects(call, codeOf(Code.FailedPrecondition));
      await assert.rejects(client.route({ data: "x" }), codeOf(Code.FailedPrecondition));
      await assert.rejects(transport.connect(), codeOf(Code.FailedPrecondition));
      assert.ok([...links.values()].every(({ closed }) => closed));
    });
  });

  describe("connect", () => {
    it("rejects with an explanation when nothing is ready in time", async () => {
      const { transport, clock } = setUp({ links: "manual", resolver: staticResolver(["a:1"]) });
      const connected = transport.connect({ timeoutMs: 100 });
      connected.catch(() => {});
      await clock.advance(100);
      await assert.rejects(connected, /no connection within 100 ms: a:1 has 1 endpoint \(1 connecting\)/);
    });
  });

  it("takes no bad options", () => {
    const good = { resolver: staticResolver(["a:1"]), connector: fakeConnector().connector };
    const bad = (options: unknown) => () => createBalancedTransport(options as BalancedTransportOptions);
    assert.throws(bad(undefined), TypeError);
    assert.throws(bad({ ...good, resolver: "simple_grpc" }), /option resolver/);
    assert.throws(bad({ ...good, connector: {} }), /option connector/);
    assert.throws(bad({ ...good, policy: "round_robin" }), /option policy/);
    assert.throws(bad({ ...good, interceptors: [1] }), /option interceptors/);
    assert.throws(bad({ ...good, defaultTimeoutMs: "1s" }), TypeError);
    assert.throws(bad({ ...good, waitTimeoutMs: 0 }), RangeError);
  });
});
