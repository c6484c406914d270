import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createRouterTransport, type Interceptor } from "@connectrpc/connect";
import type { BytesValueSchema } from "@bufbuild/protobuf/wkt";
import type { DescMethodUnary } from "@bufbuild/protobuf";
import { Simple } from "../../gen/simple_pb.ts";
import { fixedHedging } from "../../src/call/fixed-hedging.ts";
import type { CallObserver } from "../../src/call/observer.ts";
import { markAttempt } from "../../src/connection/mark.ts";
import { note } from "../../src/connection/note.ts";
import type { Policy } from "../../src/policy/policy.ts";
import { drop } from "../../src/policy/drop.ts";
import { rawMethod } from "../../src/raw-method.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import type { BalancedTransportOptions } from "../../src/transport/options.ts";
import { balanced, failureOf } from "../support/balanced.ts";
import type { FakeLinkOptions } from "../support/fake-links.ts";
import { heldLinks } from "../support/held-links.ts";
import { type ManualClock, settled } from "../support/manual-clock.ts";
import { manualResolver } from "../support/manual-resolver.ts";
import { pulled } from "../support/pulled.ts";
import { watchCalls } from "../support/watch-calls.ts";

type Options = Partial<BalancedTransportOptions> & { links?: FakeLinkOptions };

/** A balanced transport whose calls are watched, unless told otherwise over links whose attempts the test answers. */
function watched(options: Options = {}) {
  const { observer, calls } = watchCalls();
  const { sent, transport } = heldLinks();
  const all = balanced({ observers: [observer], ...options, links: { transport, ...options.links } });
  return { ...all, calls, sent };
}

const away = (end?: "not-sent" | "refused") => {
  const error = new ConnectError("away", Code.Unavailable);
  return end === undefined ? error : markAttempt(error, end);
};

describe("an observer of calls", () => {
  it("hears of a call, its attempt and its end", async () => {
    const { calls, client, clock, ready, sent, transport } = watched();
    await ready();
    const call = client.route({ data: "x" }, { timeoutMs: 500, headers: { mine: "yes" } });
    await clock.advance(70);
    assert.deepEqual(calls[0]!.lines, ["attempt 1 a:1"]);
    sent[0]!.answer();
    await call;
    assert.deepEqual(calls[0]!.lines, ["attempt 1 a:1", "1 answered ok", "ended ok after 1 in 70"]);
    const { start, ends } = calls[0]!;
    assert.deepEqual([start.target, start.method.name, start.timeoutMs, start.startedMs], [
      "a:1,b:1,c:1",
      "Route",
      500,
      40,
    ]);
    assert.equal(start.header.get("mine"), "yes");
    assert.equal(start.clock, clock);
    assert.deepEqual([ends.length, ends[0]!.code, ends[0]!.error], [1, undefined, undefined]);
    await transport.close();
  });

  it("hears of retries, and what the call waits for before them", async () => {
    const { calls, client, clock, ready, sent, transport } = watched({ random: () => 0.5 });
    await ready();
    const call = client.route({});
    await settled();
    sent[0]!.fail(markAttempt(new ConnectError("busy", Code.Unavailable), "answered"));
    await clock.advance(500);
    sent[1]!.fail(away("refused"));
    await settled();
    sent[2]!.answer();
    await call;
    assert.deepEqual(calls[0]!.lines.map((line) => line.replace(/ [abc]:1$| in \d+$/, "")), [
      "attempt 1",
      "1 answered Unavailable",
      "waits: backoff",
      "attempt 2",
      "2 refused Unavailable",
      "attempt 3",
      "3 answered ok",
      "ended ok after 3",
    ]);
    await transport.close();
  });

  it("hears of each wait anew, also for the same reason, as do all others", async () => {
    const others = [watchCalls(), watchCalls()];
    const { client, clock, ready, sent, transport } = watched({
      observers: others.map(({ observer }) => observer),
      random: () => 0.5,
    });
    await ready();
    const call = client.route({});
    for (let i = 0; i < 2; i++) {
      await settled();
      sent[i]!.fail(markAttempt(new ConnectError("busy", Code.Unavailable), "answered"));
      await clock.advance(1_000);
    }
    sent[2]!.answer();
    await call;
    for (const { calls } of others) {
      assert.deepEqual(calls[0]!.lines.filter((line) => line.startsWith("waits")), [
        "waits: backoff",
        "waits: backoff",
      ]);
    }
    await transport.close();
  });

  it("hears which headers go with every attempt, and may add to them", async () => {
    const got: (string | null)[][] = [];
    const headers = new Headers({ mine: "yes" });
    const { client, clock, ready, transport } = balanced({
      observers: [{
        callStarted({ header }) {
          header.set("traceparent", "call");
        },
        attemptStarted({ header, number }) {
          header.append("attempt", `${number}`);
        },
      }],
      retry: { methods: ["proto.Simple"] },
      links: {
        transport: ({ address }) =>
          createRouterTransport(({ service }) =>
            service(Simple, {
              route(_, { requestHeader }) {
                got.push(["traceparent", "mine", "attempt"].map((name) => requestHeader.get(name)));
                if (address === "a:1") throw away();
                return {};
              },
            })
          ),
      },
    });
    await ready();
    const call = client.route({}, { headers });
    await clock.advance(200);
    await call;
    assert.deepEqual(got, [["call", "yes", "1"], ["call", "yes", "2"]]);
    assert.deepEqual([...headers.keys()], ["mine"]);
    await transport.close();
  });

  it("hears that a call waits: for endpoints, for a connection, for room", async () => {
    const resolver = manualResolver();
    const { calls, client, clock, links, sent, transport } = watched({ resolver, links: { auto: false } });
    const call = client.route({});
    await clock.advance(10);
    assert.deepEqual(calls[0]!.lines, ["waits: resolution"]);
    resolver.tell({ endpoints: [{ address: "a:1" }] });
    await clock.advance(30);
    assert.deepEqual(calls[0]!.lines, ["waits: resolution", "waits: connection"]);
    links.get("a:1")!.ready();
    await clock.advance(20);
    sent[0]!.answer();
    await call;
    assert.deepEqual(calls[0]!.lines.slice(2), ["attempt 1 a:1", "1 answered ok", "ended ok after 1 in 60"]);
    links.get("a:1")!.room = 0;
    const second = failureOf(client.route({}, { timeoutMs: 50 }));
    await clock.advance(60);
    assert.equal((await second as ConnectError).code, Code.DeadlineExceeded);
    assert.deepEqual(calls[1]!.lines, ["waits: room", "ended DeadlineExceeded after 0 in 50"]);
    await transport.close();
  });

  it("hears of an attempt that found its connection full", async () => {
    let full = true;
    const { sent, transport: held } = heldLinks();
    const { calls, client, clock, ready, transport } = watched({
      resolver: staticResolver(["a:1"]),
      links: {
        transport: (endpoint) => {
          const inner = held(endpoint);
          return {
            ...inner,
            unary: (...args: Parameters<typeof inner.unary>) => {
              if (!full) return inner.unary(...args);
              full = false;
              return Promise.reject(note(away("not-sent"), "full"));
            },
          } as typeof inner;
        },
      },
    });
    await ready();
    const call = client.route({});
    await clock.advance(100);
    sent[0]!.answer();
    await call;
    const lines = calls[0]!.lines.filter((line) => !line.startsWith("waits"));
    assert.deepEqual(lines.slice(0, 4), ["attempt 1 a:1", "1 not-sent Unavailable", "attempt 1 a:1", "1 answered ok"]);
    assert.match(lines[4]!, /^ended ok after 1 in/);
    await transport.close();
  });

  it("hears of hedges, of which one wins, before the call ends or after", async () => {
    const { calls, client, clock, ready, sent, transport } = watched({
      defaultServiceConfig: { methods: { "*": { hedging: fixedHedging({ maxAttempts: 3, delayMs: 100 }) } } },
    });
    await ready();
    const call = client.route({});
    await clock.advance(150);
    sent[1]!.answer();
    await call;
    await settled();
    assert.deepEqual(calls[0]!.lines, [
      "attempt 1 a:1",
      "hedge 2 b:1",
      "2 answered ok",
      "ended ok after 2 in 150",
      "1 maybe-processed Canceled",
    ]);
    const fatal = failureOf(client.route({}));
    await clock.advance(150);
    sent[2]!.fail(markAttempt(new ConnectError("no", Code.PermissionDenied), "answered"));
    assert.equal((await fatal as ConnectError).code, Code.PermissionDenied);
    await settled();
    assert.equal(calls[1]!.ends.length, 1);
    assert.equal(calls[1]!.ends[0]!.code, Code.PermissionDenied);
    const stream = (async () => {
      for await (const _ of client.routeServerStream({}));
    })();
    await clock.advance(150);
    sent[5]!.answer();
    await stream;
    await settled();
    assert.deepEqual(calls[2]!.lines.filter((line) => line.startsWith("ended")), ["ended ok after 2 in 150"]);
    await transport.close();
  });
});

describe("a call that begins ends once for its observers", () => {
  /** Checks that one call was heard of, and how it ended. */
  function endedOnce(calls: ReturnType<typeof watchCalls>["calls"], error: unknown, code: Code, attempts = 0) {
    assert.equal(calls.length, 1);
    const [{ ends, lines }] = calls as [typeof calls[0]];
    assert.equal(ends.length, 1, lines.join("; "));
    assert.equal(ends[0]!.code, code, lines.join("; "));
    assert.equal(ends[0]!.attempts, attempts);
    assert.equal(ends[0]!.error, error);
    assert.match(lines.at(-1)!, /^ended/);
  }

  const unary: readonly {
    readonly when: string;
    readonly code: Code;
    readonly attempts?: number;
    readonly options?: Options;
    run(it: ReturnType<typeof watched>): Promise<unknown>;
  }[] = [
    {
      when: "the server answers with an error",
      code: Code.NotFound,
      attempts: 1,
      async run({ client, ready, sent }) {
        await ready();
        const failure = failureOf(client.route({}));
        await settled();
        sent[0]!.fail(markAttempt(new ConnectError("no", Code.NotFound), "answered"));
        return await failure;
      },
    },
    {
      when: "the connection is lost with it",
      code: Code.Unavailable,
      attempts: 1,
      options: { retry: false },
      async run({ client, ready, sent }) {
        await ready();
        const failure = failureOf(client.route({}));
        await settled();
        sent[0]!.fail(away());
        return await failure;
      },
    },
    {
      when: "nothing is resolved",
      code: Code.Unavailable,
      options: { resolver: manualResolver(), waitTimeoutMs: 300 },
      async run({ client, clock }) {
        const failure = failureOf(client.route({}));
        await clock.advance(400);
        return await failure;
      },
    },
    {
      when: "there are no endpoints",
      code: Code.Unavailable,
      options: { resolver: staticResolver([]) },
      async run({ client, clock }) {
        const failure = failureOf(client.route({}));
        await clock.advance(400);
        return await failure;
      },
    },
    {
      when: "no endpoint can be reached",
      code: Code.Unavailable,
      options: { resolver: staticResolver(["a:1"]), links: { auto: false } },
      async run({ client, clock, links }) {
        const failure = failureOf(client.route({}));
        await clock.advance(40);
        links.get("a:1")!.refuse();
        await clock.advance(40);
        return await failure;
      },
    },
    {
      when: "its deadline passes while it waits",
      code: Code.DeadlineExceeded,
      options: { links: { auto: false } },
      async run({ client, clock }) {
        const failure = failureOf(client.route({}, { timeoutMs: 100 }));
        await clock.advance(200);
        return await failure;
      },
    },
    {
      when: "its deadline passes while it waits before a retry",
      code: Code.Unavailable,
      attempts: 1,
      options: { retry: { methods: ["proto.Simple"] }, random: () => 0.99 },
      async run({ client, clock, ready, sent }) {
        await ready();
        const failure = failureOf(client.route({}, { timeoutMs: 5 }));
        await settled();
        sent[0]!.fail(markAttempt(away(), "answered"));
        await clock.advance(10);
        return await failure;
      },
    },
    {
      when: "the caller aborts while it waits",
      code: Code.Canceled,
      options: { links: { auto: false } },
      async run({ client, clock }) {
        const abort = new AbortController();
        const failure = failureOf(client.route({}, { signal: abort.signal }));
        await clock.advance(40);
        abort.abort();
        return await failure;
      },
    },
    {
      when: "the caller aborts its attempt",
      code: Code.Canceled,
      attempts: 1,
      async run({ client, ready }) {
        await ready();
        const abort = new AbortController();
        const failure = failureOf(client.route({}, { signal: abort.signal }));
        await settled();
        abort.abort();
        return await failure;
      },
    },
    {
      when: "the caller aborted before it",
      code: Code.Canceled,
      run: ({ client }) => failureOf(client.route({}, { signal: AbortSignal.abort() })),
    },
    {
      when: "it has no time from the start",
      code: Code.DeadlineExceeded,
      run: ({ transport }) => failureOf(transport.unary(Simple.method.route, undefined, 0, undefined, {})),
    },
    {
      when: "its timeout is no number",
      code: Code.InvalidArgument,
      run: ({ transport }) => failureOf(transport.unary(Simple.method.route, undefined, NaN, undefined, {})),
    },
    {
      when: "its headers are invalid",
      code: Code.Unknown,
      attempts: 1,
      options: { retry: false, links: { transport: () => createRouterTransport(() => {}) } },
      async run({ ready, transport }) {
        await ready();
        return await failureOf(transport.unary(Simple.method.route, undefined, undefined, [["a b", ""]], {}));
      },
    },
    {
      when: "the transport is closed",
      code: Code.FailedPrecondition,
      async run({ client, transport }) {
        await transport.close();
        return await failureOf(client.route({}));
      },
    },
    {
      when: "the transport is closed while it waits",
      code: Code.FailedPrecondition,
      options: { links: { auto: false } },
      async run({ client, clock, transport }) {
        const failure = failureOf(client.route({}));
        await clock.advance(40);
        await transport.close();
        return await failure;
      },
    },
    {
      when: "the throttle refuses it",
      code: Code.Unavailable,
      options: { throttle: () => ({ refuses: () => "too many", ended: () => {} }) },
      run: ({ client }) => failureOf(client.route({})),
    },
    {
      when: "the picker throws",
      code: Code.Internal,
      options: {
        policy: picks(() => {
          throw new Error("mine");
        }),
      },
      async run({ client, ready }) {
        await ready();
        return await failureOf(client.route({}));
      },
    },
    {
      when: "the policy drops it",
      code: Code.ResourceExhausted,
      options: { policy: picks(() => drop(new ConnectError("less", Code.ResourceExhausted))) },
      async run({ client, ready }) {
        await ready();
        return await failureOf(client.route({}));
      },
    },
  ];

  for (const { when, code, attempts, options, run } of unary) {
    it(`when ${when}`, async () => {
      const it = watched(options);
      const error = await run(it);
      endedOnce(it.calls, error, code, attempts);
      await it.transport.close();
      assert.equal(it.calls[0]!.ends.length, 1);
    });
  }

  it("when as many are in flight, or wait, as the options allow", async () => {
    const { calls, client, ready, sent, transport } = watched({ maxInFlight: 1 });
    await ready();
    const first = client.route({});
    await settled();
    const failure = await failureOf(client.route({}));
    endedOnce(calls.slice(1), failure, Code.Unavailable);
    sent[0]!.answer();
    await first;
    await transport.close();
    const waiting = watched({ maxWaiting: 1, links: { auto: false } });
    const waits = failureOf(waiting.client.route({}));
    await settled();
    const refused = await failureOf(waiting.client.route({}));
    endedOnce(waiting.calls.slice(1), refused, Code.Unavailable);
    await waiting.transport.close();
    await waits;
    assert.deepEqual(waiting.calls.map(({ ends }) => ends.length), [1, 1]);
  });

  it("when a pull transport has nothing to call, and when it has", async () => {
    const { observer, calls } = watchCalls();
    const empty = pulled({ addresses: [], observers: [observer] });
    const call = failureOf(empty.client.route({}));
    await empty.clock.advance(20_000);
    endedOnce(calls, await call, Code.Unavailable);
    const one = pulled({ addresses: ["a:1"], observers: [observer] });
    await one.clock.advance(0);
    await Promise.all([one.client.route({}), one.clock.advance(100)]);
    const { client } = one.request();
    await Promise.all([client.route({}), one.clock.advance(100)]);
    assert.deepEqual(calls.map(({ ends }) => ends.map(({ attempts }) => attempts)), [[0], [1], [1]]);
  });

  it("when its method has no schema", async () => {
    const { calls, ready, transport } = watched({
      links: {
        transport: () =>
          ({
            stream: () => Promise.reject(away()),
            unary: async (method: unknown) => ({ method, header: new Headers(), trailer: new Headers(), message: {} }),
          }) as never,
      },
    });
    await ready();
    const method: DescMethodUnary<typeof BytesValueSchema, typeof BytesValueSchema> = rawMethod("/a.B/C", "unary");
    await transport.unary(method, undefined, undefined, undefined, { value: new Uint8Array() });
    assert.deepEqual(calls[0]!.lines, ["attempt 1 a:1", "1 answered ok", "ended ok after 1 in 0"]);
    assert.equal(calls[0]!.start.method.parent.typeName, "a.B");
    await transport.close();
  });
});

describe("a stream that begins ends once for its observers", () => {
  async function* requests(...data: string[]) {
    for (const one of data) yield { data: one };
  }

  function serving(route: () => AsyncIterable<object>, options: Options = {}) {
    return watched({
      ...options,
      links: {
        transport: () => createRouterTransport(({ service }) => service(Simple, { routeServerStream: route })),
        ...options.links,
      },
    });
  }

  it("when its last message was read", async () => {
    const { calls, client, clock, ready, transport } = serving(async function* () {
      yield {};
      yield {};
    });
    await ready();
    const reader = client.routeServerStream({})[Symbol.asyncIterator]();
    await reader.next();
    await clock.advance(70);
    assert.deepEqual(calls[0]!.lines, ["attempt 1 a:1", "1 answering"]);
    while (!(await reader.next()).done);
    assert.deepEqual(calls[0]!.lines.slice(2), ["1 answered ok", "ended ok after 1 in 70"]);
    await transport.close();
  });

  it("when it fails half way", async () => {
    const { calls, client, ready, transport } = serving(async function* () {
      yield {};
      throw new ConnectError("broken", Code.DataLoss);
    });
    await ready();
    await assert.rejects(async () => {
      for await (const _ of client.routeServerStream({}));
    });
    assert.equal(calls[0]!.lines.at(-1), "ended DataLoss after 1 in 0");
    assert.equal(calls[0]!.ends.length, 1);
    await transport.close();
  });

  it("when its caller aborts, whether or not it is read", async () => {
    for (const read of [true, false]) {
      const { calls, client, ready, transport } = serving(async function* () {
        yield {};
        await new Promise(() => {});
      });
      await ready();
      const abort = new AbortController();
      const reader = client.routeServerStream({}, { signal: abort.signal })[Symbol.asyncIterator]();
      await reader.next();
      const next = read ? failureOf(reader.next()) : undefined;
      abort.abort();
      await next;
      await settled();
      assert.equal(calls[0]!.lines.at(-1), "ended Canceled after 1 in 0");
      assert.equal(calls[0]!.ends.length, 1);
      await transport.close();
    }
  });

  it("when its reader returns early", async () => {
    const { calls, ready, transport } = serving(async function* () {
      yield {};
      yield {};
    });
    await ready();
    const { routeServerStream } = Simple.method;
    const response = await transport.stream(routeServerStream, undefined, undefined, undefined, requests("x"));
    const reader = response.message[Symbol.asyncIterator]();
    await reader.next();
    await reader.return?.();
    assert.equal(calls[0]!.lines.at(-1), "ended Canceled after 1 in 0");
    assert.match(String(calls[0]!.ends[0]!.error), /^ConnectError: \[canceled\] the reader abandoned the stream$/);
    await transport.close();
  });

  it("when it gets no connection, has no time, or its request throws", async () => {
    const { calls, client, clock, transport } = watched({ links: { auto: false } });
    const late = failureOf(client.routeClientStream(requests("x"), { timeoutMs: 100 }));
    await clock.advance(200);
    assert.equal((await late as ConnectError).code, Code.DeadlineExceeded);
    const never = await failureOf(client.routeClientStream(requests("x"), { signal: AbortSignal.abort() }));
    assert.equal((never as ConnectError).code, Code.Canceled);
    await transport.close();
    assert.deepEqual(calls.map(({ ends }) => ends.map(({ code }) => code)), [[Code.DeadlineExceeded], [Code.Canceled]]);
    const other = serving(async function* () {});
    await other.ready();
    await failureOf(other.client.routeClientStream((async function* () {
      yield {};
      throw new Error("mine");
    })()));
    assert.deepEqual(other.calls.map(({ ends }) => ends.length), [1]);
    await other.transport.close();
  });
});

describe("interceptors and the observers of calls", () => {
  const call = { data: "x" };

  function intercepted(interceptor: Interceptor, options: Options = {}) {
    const { observer, calls } = watchCalls();
    return { ...balanced({ observers: [observer], interceptors: [interceptor], ...options }), calls };
  }

  it("run around the call that is observed, which sees the headers that they add", async () => {
    const { calls, client, ready, transport } = intercepted((next) => async (request) => {
      request.header.set("added", "yes");
      return await next(request);
    });
    await ready();
    await client.route(call);
    for await (const _ of client.routeServerStream(call));
    assert.deepEqual(calls.map(({ ends, start }) => [ends.length, start.header.get("added")]), [[1, "yes"], [
      1,
      "yes",
    ]]);
    await transport.close();
  });

  it("make no call of what they answer or refuse themselves, and two of what they make twice", async () => {
    const refused = intercepted(() => () => Promise.reject(new ConnectError("no", Code.PermissionDenied)));
    await refused.ready();
    await failureOf(refused.client.route(call));
    assert.equal(refused.calls.length, 0);
    await refused.transport.close();
    const twice = intercepted((next) => async (request) => {
      await next(request);
      return await next(request);
    });
    await twice.ready();
    await twice.client.route(call);
    assert.deepEqual(twice.calls.map(({ ends }) => ends.length), [1, 1]);
    await twice.transport.close();
  });

  it("may use up a call's time, abort it or close its transport: it ends once", async () => {
    for (
      const [spoil, code] of [
        [({ clock }: { clock: ManualClock }) => clock.skip(1_000), Code.DeadlineExceeded],
        [({ abort }: { abort: AbortController }) => abort.abort(), Code.Canceled],
        [({ transport }: { transport: { close(): Promise<void> } }) => void transport.close(), Code.FailedPrecondition],
      ] as const
    ) {
      const abort = new AbortController();
      const it = intercepted((next) => async (request) => {
        spoil({ ...it, abort });
        return await next(request);
      });
      await it.ready();
      const error = await failureOf(it.client.route(call, { timeoutMs: 500, signal: abort.signal }));
      assert.equal((error as ConnectError).code, code);
      assert.deepEqual(it.calls.map(({ ends }) => ends.map(({ code }) => code)), [[code]]);
      await it.transport.close();
    }
  });

  it("are not reached by a call that has no time: it ends once", async () => {
    let reached = 0;
    const it = intercepted((next) => async (request) => {
      reached++;
      return await next(request);
    });
    await failureOf(it.transport.unary(Simple.method.route, undefined, 0, undefined, {}));
    await failureOf(it.client.route({}, { signal: AbortSignal.abort() }));
    await it.transport.close();
    await failureOf(it.client.route({}));
    assert.equal(reached, 0);
    assert.deepEqual(it.calls.map(({ ends }) => ends.map(({ code }) => code)), [
      [Code.DeadlineExceeded],
      [Code.Canceled],
      [Code.FailedPrecondition],
    ]);
  });
});

describe("several observers of calls", () => {
  it("each hear of every call, and have no effect when they throw", async (t) => {
    const print = t.mock.method(console, "error", () => {});
    const fails = () => {
      throw new Error("mine");
    };
    const rejects = () => Promise.reject(new Error("mine")) as unknown as void;
    const first = watchCalls(), last = watchCalls();
    const observers: CallObserver[] = [
      first.observer,
      { callStarted: fails },
      { callStarted: () => ({ attemptStarted: fails, attemptEnded: rejects, ended: fails }) },
      { callStarted: () => undefined },
      { callStarted: () => ({}) },
      last.observer,
    ];
    const { client, ready, transport } = balanced({ observers });
    await ready();
    assert.equal((await client.route({ data: "x" })).code, 200);
    await settled();
    for (const { calls } of [first, last]) {
      assert.deepEqual(calls[0]!.lines, ["attempt 1 a:1", "1 answered ok", "ended ok after 1 in 0"]);
    }
    assert.deepEqual(print.mock.calls.map(({ arguments: [text] }) => text), [
      "connect-lb: callStarted of an observer threw",
      "connect-lb: attemptStarted of an observer threw",
      "connect-lb: ended of an observer threw",
      "connect-lb: attemptEnded of an observer threw",
    ]);
    await transport.close();
  });

  it("call the methods of the returned object on it, so that it can hold the call's state", async () => {
    class Watch {
      attempts = 0;
      attemptStarted() {
        this.attempts++;
      }
      ended() {
        seen.push(this.attempts);
      }
    }
    const seen: number[] = [];
    const { client, ready, transport } = balanced({ observers: [{ callStarted: () => new Watch() }] });
    await ready();
    await client.route({});
    assert.deepEqual(seen, [1]);
    await transport.close();
  });
});

/** A policy that does this with each pick. */
function picks(pick: () => never | ReturnType<typeof drop>): Policy {
  return (connections) => {
    for (const connection of connections) connection.connect();
    return { pick };
  };
}
