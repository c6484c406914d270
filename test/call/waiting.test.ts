import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport, type Transport } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { balance } from "../../src/call/options.ts";
import { type AttemptEnd, markAttempt } from "../../src/connection/mark.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { deadlinesOf } from "../../src/time/deadline.ts";
import { balanced, failureOf } from "../support/balanced.ts";
import { manualResolver } from "../support/manual-resolver.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { simpleRoutes } from "../support/simple.ts";

function assertFailure(error: unknown, code: Code, text: RegExp): void {
  assert.ok(error instanceof ConnectError, String(error));
  assert.match(error.message, text);
  assert.equal(error.code, code);
}

/** A transport whose first `times` unary calls fail, and that answers the others. */
function failing(times: number, end: AttemptEnd, header: HeadersInit = {}) {
  const inner = createRouterTransport(simpleRoutes({ name: "a:1" }));
  const seen: { timeoutMs: number | undefined; value: unknown }[] = [];
  const transport: Transport = {
    ...inner,
    unary(method, signal, timeoutMs, headers, input, contextValues) {
      seen.push({ timeoutMs, value: input });
      if (seen.length <= times) {
        return Promise.reject(markAttempt(new ConnectError("no", Code.Unavailable, header), end));
      }
      return inner.unary(method, signal, timeoutMs, headers, input, contextValues);
    },
  };
  return { transport, seen };
}

/** A signal that outlives calls, and how many listeners are on it. */
function lastingSignal() {
  const { signal } = new AbortController();
  const { addEventListener, removeEventListener } = signal;
  const listeners = new Set<unknown>();
  Object.assign(signal, {
    addEventListener(...args: Parameters<typeof addEventListener>) {
      listeners.add(args[1]);
      addEventListener.apply(signal, args);
    },
    removeEventListener(...args: Parameters<typeof removeEventListener>) {
      listeners.delete(args[1]);
      removeEventListener.apply(signal, args);
    },
  });
  return { signal, listeners };
}

describe("calls that wait", () => {
  it("are served in the order they came", async () => {
    const { client, clock, links, transport } = balanced({ links: { auto: false }, resolver: staticResolver(["a:1"]) });
    const answered: string[] = [];
    for (const data of ["1", "2", "3", "4"]) {
      void client.route({ data }).then(({ value }) => answered.push(value));
    }
    await settled();
    assert.equal(transport.snapshot().waiting, 4);
    links.get("a:1")!.ready();
    await clock.advance(40);
    assert.deepEqual(answered, ["1", "2", "3", "4"].map((data) => `a:1: hello ${data}`));
    await transport.close();
  });

  it("for readiness, without a deadline, end after waitTimeoutMs", async () => {
    const { client, clock, transport } = balanced({ links: { auto: false }, resolver: staticResolver(["a:1"]) });
    const failed = failureOf(client.route({}, balance({ waitForReady: true })));
    await clock.advance(9_999);
    assert.equal(transport.snapshot().waiting, 1);
    await clock.advance(1);
    assert.equal(transport.snapshot().waiting, 0);
    assertFailure(await failed, Code.Unavailable, /no connection within 10000 ms/);
    await transport.close();
  });

  it("probe a link without states with one call alone", async () => {
    const { transport: link, seen } = failing(1, "not-sent");
    const { client, clock, transport } = balanced({
      links: { stateless: true, transport: () => link },
      resolver: staticResolver(["a:1"]),
    });
    const first = failureOf(client.route({}));
    await clock.advance(50);
    await first;
    const calls = Array.from({ length: 5 }, () => client.route({ data: "x" }, balance({ waitForReady: true })));
    await clock.advance(50);
    assert.equal(seen.length, 1);
    assert.equal(transport.snapshot().waiting, 5);
    let sent = 0, duringProbe = 0;
    const answer = link.unary;
    link.unary = async (...args) => {
      if (sent++ === 0) {
        await settled();
        duringProbe = sent;
      }
      return await answer.apply(link, args) as never;
    };
    await clock.advance(1_000);
    await Promise.all(calls);
    assert.deepEqual([duringProbe, sent], [1, 5]);
    await transport.close();
  });

  it("between two attempts end at once when the transport is closed", async () => {
    const { transport: link } = failing(Infinity, "answered", { "grpc-retry-pushback-ms": "5000" });
    const { client, clock, ready, transport } = balanced({ links: { transport: () => link } });
    await ready();
    const failed = failureOf(client.route({}));
    await clock.advance(10);
    assert.equal(clock.held, 1);
    await transport.close();
    assertFailure(await failed, Code.FailedPrecondition, /proto\.Simple\/Route: the transport is closed/);
    assert.deepEqual(clock.pending, []);
  });

  it("between two attempts end at once when the caller aborts", async () => {
    const { transport: link } = failing(Infinity, "answered", { "grpc-retry-pushback-ms": "5000" });
    const { client, clock, ready, transport } = balanced({ links: { transport: () => link } });
    await ready();
    const abort = new AbortController();
    const failed = failureOf(client.route({}, { signal: abort.signal }));
    await clock.advance(10);
    abort.abort();
    assertFailure(await failed, Code.Canceled, /aborted/);
    assert.equal(clock.held, 0);
    await transport.close();
  });

  it("do not wait longer than waitTimeoutMs because a server says so", async () => {
    const { transport: link, seen } = failing(Infinity, "answered", { "grpc-retry-pushback-ms": "10001" });
    const { client, ready, transport } = balanced({ links: { transport: () => link } });
    await ready();
    assertFailure(await failureOf(client.route({})), Code.Unavailable, /no/);
    assert.equal(seen.length, 1);
    await transport.close();
  });

  it("for the endpoint that declined them fail at once when that has left the set, and the others are failing", async () => {
    const resolver = manualResolver();
    const { client, clock, links, transport } = balanced({
      resolver,
      links: { auto: false, transport: () => failing(Infinity, "refused").transport },
    });
    resolver.tell({ endpoints: [{ address: "a:1" }, { address: "b:1" }] });
    const failed = failureOf(client.route({}));
    await clock.advance(0);
    links.get("a:1")!.ready();
    // It waits for b:1, which may become ready.
    await clock.advance(5);
    resolver.tell({ endpoints: [{ address: "b:1" }] });
    await clock.advance(1_000);
    links.get("b:1")!.refuse();
    await clock.advance(100);
    assertFailure(await failed, Code.Unavailable, /every endpoint is failing/);
    assert.equal(transport.snapshot().waiting, 0);
    await transport.close();
  });

  it("hand the time that is left to the next attempt, in whole milliseconds", async () => {
    const { transport: link, seen } = failing(2, "answered", { "grpc-retry-pushback-ms": "100" });
    const { client, clock, ready, transport } = balanced({ links: { transport: () => link } });
    await ready();
    const call = client.route({}, { timeoutMs: 250.5 });
    await clock.advance(200);
    await call;
    assert.deepEqual(seen.map(({ timeoutMs }) => timeoutMs), [251, 151, 51]);
    await transport.close();
  });

  it("end with their deadline when every endpoint refuses", async () => {
    const { transport: link, seen } = failing(Infinity, "refused");
    const { client, clock, ready, transport } = balanced({ links: { transport: () => link } });
    await ready();
    const failed = failureOf(client.route({}, { timeoutMs: 15 }));
    await clock.advance(15);
    assertFailure(
      await failed,
      Code.DeadlineExceeded,
      /no time left: after 3 attempts, the last on [abc]:1, a:1,b:1,c:1 has 3 endpoints/,
    );
    assert.equal(seen.length, 3);
    await transport.close();
  });

  it("leave no listener on a signal that outlives them", async () => {
    const { signal, listeners } = lastingSignal();
    const { transport: link } = failing(1, "answered");
    const { client, clock, transport } = balanced({ links: { transport: () => link } });
    const connected = transport.connect({ signal });
    const call = client.route({ data: "x" }, { signal });
    await clock.advance(200);
    await connected;
    await call;
    for await (const _ of client.routeServerStream({ data: "x" }, { signal }));
    const streamed = await transport.stream(
      Simple.method.routeServerStream,
      signal,
      undefined,
      undefined,
      (async function* () {
        yield { data: "x" };
      })(),
    );
    await streamed.message[Symbol.asyncIterator]().return?.();
    await settled();
    assert.deepEqual([...listeners].map(String), []);
    await transport.close();
  });
});

describe("close()", () => {
  const states = {
    "before the first call": async () => {},
    "while nothing is known": async ({ transport }) => void failureOf(transport.connect()),
    "while it connects": async ({ client, clock }) => {
      void failureOf(client.route({}));
      await clock.advance(5);
    },
    "while it backs off": async ({ client, clock, links }) => {
      void failureOf(client.route({}, balance({ waitForReady: true })));
      await clock.advance(5);
      for (const link of links.values()) link.refuse();
      await clock.advance(50);
    },
    "when it is ready": async ({ transport, clock, links }) => {
      const connected = transport.connect();
      await clock.advance(5);
      for (const link of links.values()) link.ready();
      await clock.advance(50);
      await connected;
    },
    "with a call in flight": async ({ client, clock, links }) => {
      void failureOf(client.route({}));
      await clock.advance(5);
      for (const link of links.values()) link.ready();
      await clock.advance(50);
    },
    "after it was idle": async ({ transport, clock, links }) => {
      const connected = transport.connect();
      await clock.advance(5);
      for (const link of links.values()) link.ready();
      await connected;
      await clock.advance(3_600_000);
    },
  } satisfies Record<string, (set: ReturnType<typeof balanced>) => Promise<void>>;

  for (const [state, bring] of Object.entries(states)) {
    it(`${state} closes every link, leaves no timer, and may be called again`, async () => {
      const set = balanced({ links: { auto: false } });
      await bring(set);
      await Promise.all([set.transport.close(), set.transport.close()]);
      await set.transport.close(1_000);
      await settled();
      assert.deepEqual(set.clock.pending, []);
      assert.ok([...set.links.values()].every(({ closed }) => closed));
      assertFailure(await failureOf(set.client.route({})), Code.FailedPrecondition, /the transport is closed/);
      assertFailure(await failureOf(set.transport.connect()), Code.FailedPrecondition, /the transport is closed/);
      assert.deepEqual(set.clock.pending, []);
    });
  }
});

describe("a balanced transport", () => {
  it("takes no chance and no time before its first call", async () => {
    let randoms = 0, times = 0;
    const clock = new ManualClock();
    const now = clock.now.bind(clock);
    clock.now = () => (times++, now());
    const { transport } = balanced({ clock, random: () => (randoms++, 0) });
    await settled();
    assert.deepEqual([randoms, times, clock.pending], [0, 0, []]);
    // A snapshot says when it was taken.
    transport.snapshot();
    assert.deepEqual([randoms, times, clock.pending], [0, 1, []]);
  });

  it("ends a call with the transport's own timeout where it brings none", async () => {
    const { client, clock, transport } = balanced({ links: { auto: false }, defaultTimeoutMs: 300 });
    const failed = failureOf(client.route({}));
    const own = failureOf(client.route({}, { timeoutMs: 100 }));
    await clock.advance(100);
    assertFailure(await own, Code.DeadlineExceeded, /no time left/);
    await clock.advance(200);
    assertFailure(await failed, Code.DeadlineExceeded, /no time left/);
    await transport.close();
  });

  it("reports an abandoned stream as canceled, and ends the attempt", async () => {
    const ends: string[] = [];
    const signals: AbortSignal[] = [];
    const inner = createRouterTransport(simpleRoutes({ name: "a:1" }));
    const { transport, ready } = balanced({
      onAttempt: ({ end, code }) => void ends.push(`${end} ${code}`),
      links: {
        auto: true,
        transport: () => ({
          ...inner,
          stream(method, signal, ...rest) {
            signals.push(signal!);
            return inner.stream(method, signal, ...rest);
          },
        }),
      },
    });
    await ready();
    const response = await transport.stream(
      Simple.method.routeServerStream,
      undefined,
      undefined,
      undefined,
      (async function* () {
        yield { data: "x" };
      })(),
    );
    const iterator = response.message[Symbol.asyncIterator]();
    await iterator.next();
    assert.deepEqual(signals.map(({ aborted }) => aborted), [false]);
    await iterator.return?.();
    // So that its server hears of it.
    assert.deepEqual(signals.map(({ aborted }) => aborted), [true]);
    assert.deepEqual(ends, [`maybe-processed ${Code.Canceled}`]);
    assert.ok(transport.snapshot().endpoints!.every(({ inFlight }) => inFlight === 0));
    await transport.close();
  });
});

describe("interceptors", () => {
  it("leave no deadline and no listener behind after a stream whose metadata is invalid", async () => {
    const { client, clock, ready, transport } = balanced({ interceptors: [(next) => (request) => next(request)] });
    await ready();
    const { signal } = new AbortController();
    let listeners = 0;
    signal.addEventListener = () => void listeners++;
    const headers = { "no name": "x" };
    const stream = client.routeServerStream({}, { timeoutMs: 5_000, headers, signal })[Symbol.asyncIterator]();
    assert.ok(await failureOf(stream.next()) instanceof TypeError);
    assert.deepEqual([deadlinesOf(clock).pending, listeners], [0, 0]);
    await transport.close();
  });

  it("get a URL that can be parsed, whatever the target is called", async () => {
    for (const target of ["simple_grpc", "a:1,b:2", "[::1]:80", "team/simple", "", "1.2.3.4.5", "größe"]) {
      const urls: string[] = [];
      const { client, ready, transport } = balanced({
        resolver: { ...staticResolver(["a:1"]), target },
        interceptors: [(next) => (request) => (urls.push(request.url), next(request))],
      });
      await ready();
      await client.route({ data: "x" });
      assert.equal(new URL(urls[0]!).pathname, "/proto.Simple/Route", target);
      await transport.close();
    }
  });

  for (const [what, answer] of [["fail", false], ["answer", true]] as const) {
    it(`that ${what} a stream themselves let the caller's iterable end`, async () => {
      let ended = 0;
      async function* requests() {
        try {
          for (;;) yield { data: "x" };
        } finally {
          ended++;
        }
      }
      const { method } = Simple;
      const { client, ready, transport } = balanced({
        interceptors: [() => async (request) => {
          if (request.stream) await request.message[Symbol.asyncIterator]().next();
          if (!answer) throw new ConnectError("not today", Code.ResourceExhausted);
          const message = (async function* () {
            yield create(method.routeClientStream.output, { value: "mine" });
          })();
          const { service, method: called } = request;
          return {
            stream: true,
            service,
            method: called,
            header: new Headers(),
            trailer: new Headers(),
            message,
          } as never;
        }],
      });
      await ready();
      const result = await client.routeClientStream(requests()).then(({ value }) => value, ({ code }) => code);
      assert.equal(result, answer ? "mine" : Code.ResourceExhausted);
      await settled();
      assert.equal(ended, 1);
      await transport.close();
    });
  }
});
