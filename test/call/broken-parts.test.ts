// What a user plugs in may break its contract: then calls say so, and nothing crashes, hangs or leaks.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { SimpleResponseSchema } from "../../gen/simple_pb.ts";
import { balance } from "../../src/call/options.ts";
import { markAttempt } from "../../src/connection/mark.ts";
import type { Policy } from "../../src/policy/policy.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import type { Resolution } from "../../src/resolver/resolver.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { balanced, failureOf } from "../support/balanced.ts";
import { settled } from "../support/manual-clock.ts";
import { manualResolver } from "../support/manual-resolver.ts";

function assertFailure(error: unknown, code: Code, text: RegExp): void {
  assert.ok(error instanceof ConnectError, String(error));
  assert.match(error.message, text);
  assert.equal(error.code, code);
}

describe("a policy", () => {
  for (
    const [what, policy, text] of [
      ["throws", () => {
        throw new Error("mine");
      }, /proto\.Simple\/Route: the policy failed: mine: a:1,b:1,c:1 has 3 endpoints/],
      ["returns nothing", () => undefined, /the policy failed: it returned undefined: expected a picker/],
      [
        "is a function that makes policies",
        () => roundRobin(),
        /it returned a function \(call it to create the policy: roundRobin\(\)/,
      ],
    ] as const
  ) {
    it(`that ${what} fails calls immediately, and is reported`, async () => {
      const { client, clock, transport, events } = balanced({ policy: policy as unknown as Policy });
      const failed = failureOf(client.route({}));
      await clock.advance(0);
      assertFailure(await failed, Code.Unavailable, text);
      assert.ok(events.some(({ type }) => type === "policy-failed"));
      await transport.close();
      assert.deepEqual(clock.pending, []);
    });
  }

  it("that throws later leaves its last picker in use", async () => {
    let builds = 0;
    const inner = roundRobin();
    const resolver = manualResolver();
    const { client, clock, ready, links, transport } = balanced({
      resolver,
      policy(...args) {
        if (builds++ > 3) throw new Error("mine");
        return inner(...args);
      },
    });
    resolver.tell({ endpoints: [{ address: "a:1" }, { address: "b:1" }] });
    await ready();
    builds = 4;
    resolver.tell({ endpoints: [{ address: "b:1" }, { address: "c:1" }] });
    await clock.advance(40);
    assert.equal(links.get("a:1")!.closed, true);
    assert.equal((await client.route({ data: "x" })).value, "b:1: hello x");
    await transport.close();
  });

  for (
    const [what, pick, text] of [
      ["throws", () => {
        throw new Error("mine");
      }, /proto\.Simple\/Route: the policy's picker threw: mine/],
      [
        "gives nothing",
        () => undefined,
        /the policy's picker returned undefined: expected a connection that its policy was given/,
      ],
      [
        "gives an endpoint",
        () => ({ address: "a:1" }),
        /the policy's picker returned \[object Object\]: expected a connection/,
      ],
    ] as const
  ) {
    it(`whose picker ${what} fails calls at once, those that wait too`, async () => {
      const policy = (() => ({ pick })) as unknown as Policy;
      const { client, clock, transport } = balanced({ policy });
      const waiting = failureOf(client.route({}, balance({ waitForReady: true })));
      await clock.advance(40);
      assertFailure(await waiting, Code.Internal, text);
      assertFailure(await failureOf(client.route({})), Code.Internal, text);
      assert.equal(transport.snapshot().waiting, 0);
      assert.equal(clock.held, 0);
      await transport.close();
    });
  }

  it("whose picker throws from done() does not fail the call", async (t) => {
    const print = t.mock.method(console, "error", () => {});
    const inner = roundRobin();
    const { client, ready, transport } = balanced({
      policy(connections, previous, env) {
        const picker = inner(connections, previous, env);
        return {
          pick: (call) => picker.pick(call),
          done() {
            throw new Error("mine");
          },
        };
      },
    });
    await ready();
    assert.equal((await client.route({ data: "x" })).code, 200);
    for await (const _ of client.routeServerStream({ data: "x" }));
    assert.equal(print.mock.callCount(), 2);
    assert.ok(transport.snapshot().endpoints!.every(({ inFlight }) => inFlight === 0));
    await transport.close();
  });

  it("that picks what the call excludes is given up on after 16 attempts", async () => {
    const attempts: number[] = [];
    const { client, clock, ready, transport } = balanced({
      policy: (connections) => {
        for (const connection of connections) connection.connect();
        return { pick: () => connections[0] ?? "wait" };
      },
      links: { transport: () => ({ unary: notSent, stream: notSent }) },
      onAttempt: ({ number }) => void attempts.push(number),
    });
    await ready();
    const failed = failureOf(client.route({}));
    await clock.advance(10);
    assertFailure(await failed, Code.Unavailable, /the last of 16 attempts/);
    assert.equal(attempts.length, 16);
    await transport.close();
  });
});

describe("a resolver", () => {
  it("that yields garbage keeps the set and the process", async () => {
    const resolver = manualResolver();
    const { client, clock, ready, transport, events } = balanced({ resolver });
    resolver.tell({ endpoints: [{ address: "a:1" }] });
    await ready();
    for (const endpoints of ["a:1", null, 1]) {
      resolver.tell({ endpoints });
      await clock.advance(5_000);
      assert.match(transport.snapshot().stale!.cause.message, /the resolver yielded endpoints .*: expected an array/);
      assert.equal((await client.route({ data: "x" })).value, "a:1: hello x");
    }
    resolver.tell({ endpoints: [null, { address: "b:1" }] });
    await clock.advance(40);
    assert.equal(transport.snapshot().stale, undefined);
    assert.equal((await client.route({ data: "x" })).value, "b:1: hello x");
    assert.deepEqual(events.flatMap((event) => (event.type === "endpoint-skipped" ? [event.endpoint] : [])), [null]);
    await transport.close();
  });

  for (
    const [what, yields, why] of [
      ["an array", [{ address: "a:1" }], /the resolver yielded an array: expected \{ endpoints, stale\? \}/],
      ["an object without endpoints", { endpoint: [] }, /yielded an object without endpoints: expected \{ endpoints/],
      ["a set that is none", { endpoints: { address: "a:1" } }, /yielded endpoints an object: expected an array/],
    ] as const
  ) {
    it(`that yields ${what} fails calls immediately with the reason, and is reported`, async () => {
      const resolver = manualResolver();
      const { client, clock, events, transport } = balanced({ resolver });
      const failed = failureOf(client.route({}));
      const waits = client.route({}, balance({ waitForReady: true }));
      resolver.tell(yields as unknown as Resolution);
      await clock.advance(0);
      assertFailure(await failed, Code.Unavailable, why);
      assertFailure(await failureOf(client.route({})), Code.Unavailable, why);
      assert.ok(events.some((event) => event.type === "endpoints-stale" && why.test(event.cause.message)));
      // Nobody knows whether it will mend; a call that wants to wait may.
      await clock.advance(2_000);
      resolver.tell({ endpoints: [{ address: "b:1" }] });
      await clock.advance(2_000);
      assert.equal((await waits).value, "b:1: hello ");
      await transport.close();
    });
  }

  it("that is not an iterable fails calls at once with the reason", async () => {
    for (const [returned, text] of [[1, "1"], [[], "an array"], [Promise.resolve([]), "a promise"]] as const) {
      const { client, clock, transport } = balanced({ resolver: { target: "x", resolve: () => returned as never } });
      const failed = failureOf(client.route({}));
      await clock.advance(0);
      const why = new RegExp(
        `the endpoints of x are not known yet; stale .*returned ${text}: expected an AsyncIterable`,
      );
      assertFailure(await failed, Code.Unavailable, why);
      await transport.close();
    }
  });

  it("that yields strings for endpoints says so in the call's error", async () => {
    const resolver = manualResolver();
    const { client, clock, events, transport } = balanced({ resolver });
    const failed = failureOf(client.route({}));
    resolver.tell({ endpoints: ["127.0.0.1:8000"] as never });
    await clock.advance(0);
    const why = /no endpoints that can be used: endpoint "127\.0\.0\.1:8000": expected .*\{ address: /;
    assertFailure(await failed, Code.Unavailable, why);
    assert.ok(events.some(({ type }) => type === "endpoint-skipped"));
    resolver.tell({ endpoints: [] });
    await clock.advance(100);
    assertFailure(await failureOf(client.route({})), Code.Unavailable, /has a server registered under this name/);
    await transport.close();
  });

  it("whose refresh() throws or rejects has no effect", async (t) => {
    const print = t.mock.method(console, "error", () => {});
    for (
      const refresh of [() => Promise.reject(new Error("mine")), () => {
        throw new Error("mine");
      }]
    ) {
      const { clock, transport, links } = balanced({
        links: { auto: false },
        resolver: { ...staticResolver(["a:1"]), refresh: refresh as () => void },
      });
      const failed = failureOf(transport.connect());
      await clock.advance(40);
      links.get("a:1")!.refuse();
      await clock.advance(10_000);
      assertFailure(await failed, Code.Unavailable, /no connection/);
      await transport.close();
    }
    assert.ok(print.mock.callCount() >= 2);
  });
});

const notSent = () => Promise.reject(markAttempt(new ConnectError("closed", Code.Unavailable), "not-sent"));

describe("a link's transport", () => {
  for (
    const [what, broken] of [
      ["throws at once", () => {
        throw new Error("mine");
      }],
      ["returns no promise", () => undefined],
      ["rejects with nothing", () => Promise.reject(undefined)],
      ["rejects with a string", () => Promise.reject("mine")],
    ] as const
  ) {
    it(`that ${what} fails the call with a ConnectError, and leaves nothing in flight`, async () => {
      const link = { unary: broken, stream: broken } as unknown as Transport;
      const { client, clock, ready, transport } = balanced({ links: { transport: () => link }, retry: false });
      await ready();
      for (const call of [() => client.route({}), () => client.routeClientStream(none())]) {
        const failed = failureOf(call());
        await clock.advance(0);
        assertFailure(await failed, Code.Unknown, /the attempt, on [abc]:1, failed: /);
      }
      assert.ok(transport.snapshot().endpoints!.every(({ inFlight }) => inFlight === 0));
      await transport.close();
    });
  }

  it("whose stream has no messages fails the call, and leaves nothing in flight", async () => {
    const link = { unary: notSent, stream: () => Promise.resolve({}) } as unknown as Transport;
    const { client, ready, transport } = balanced({ links: { transport: () => link } });
    await ready();
    assertFailure(await failureOf(client.routeClientStream(none())), Code.Unknown, /the attempt, on a:1, failed/);
    assert.ok(transport.snapshot().endpoints!.every(({ inFlight }) => inFlight === 0));
    await transport.close();
  });

  describe("whose stream is aborted by its caller", () => {
    /** A stream of one message; then its link does what it does, and the caller aborts with a reason. */
    async function abortedStream(then: (signal: AbortSignal) => Promise<unknown>, reason: unknown, early = false) {
      const abort = new AbortController();
      const link = {
        unary: notSent,
        stream(method: DescMethod, signal: AbortSignal) {
          let first = true;
          const next = () => {
            if (!first) return then(signal);
            first = false;
            return Promise.resolve({ done: false, value: create(SimpleResponseSchema) });
          };
          const message = { [Symbol.asyncIterator]: () => ({ next }) };
          if (early) abort.abort(reason);
          return Promise.resolve({ stream: true, method, message, header: new Headers(), trailer: new Headers() });
        },
      } as unknown as Transport;
      const attempts: string[] = [];
      const { client, ready, transport } = balanced({
        links: { transport: () => link, stateless: true },
        resolver: staticResolver(["a:1"]),
        onAttempt: ({ end, code }) => void attempts.push(`${end} ${Code[code!]}`),
      });
      await ready();
      const reader = client.routeServerStream({}, { signal: abort.signal })[Symbol.asyncIterator]();
      if (!early) assert.equal((await reader.next()).done, false);
      const pending = failureOf(reader.next());
      await settled();
      if (!early) abort.abort(reason);
      const { inFlight, state } = transport.snapshot().endpoints![0]!;
      assert.deepEqual([inFlight, state, attempts.length], [0, "ready", 1]);
      const error = await pending;
      await transport.close();
      return { error, attempts };
    }
    const onAbort = (signal: AbortSignal, settle: () => unknown) =>
      new Promise((resolve) => signal.addEventListener("abort", () => resolve(settle())));
    const message = { done: false, value: create(SimpleResponseSchema) };

    for (
      const [what, then] of [
        ["fails in its own words", (signal) => onAbort(signal, () => Promise.reject(new Error("boom")))],
        [
          "fails with another code",
          (signal) => onAbort(signal, () => Promise.reject(new ConnectError("reset", Code.Internal))),
        ],
        ["ends as if nothing were", (signal) => onAbort(signal, () => ({ done: true, value: undefined }))],
        ["goes on as if nothing were", (signal) => onAbort(signal, () => message)],
      ] as [string, (signal: AbortSignal) => Promise<unknown>][]
    ) {
      it(`and ${what}, is canceled for the caller at once`, async () => {
        const { error, attempts } = await abortedStream(then, new Error("that will do"));
        assertFailure(error, Code.Canceled, /that will do/);
        assert.deepEqual(attempts, ["maybe-processed Canceled"]);
      });
    }

    it("with another attempt's error as the reason, is not reported as that attempt", async () => {
      const reason = markAttempt(new ConnectError("another call's", Code.Unavailable), "not-sent");
      const { error, attempts } = await abortedStream((signal) => onAbort(signal, () => message), reason);
      assertFailure(error, Code.Unavailable, /another call's/);
      assert.deepEqual(attempts, ["maybe-processed Unavailable"]);
    });

    it("between its headers and their arrival, is reported, and read no further", async () => {
      const { error, attempts } = await abortedStream(() => Promise.resolve(message), new Error("too late"), true);
      assertFailure(error, Code.Canceled, /too late/);
      assert.deepEqual(attempts, ["maybe-processed Canceled"]);
    });
  });
});

async function* none() {}

describe("async code in the place of code that is not", () => {
  it("is printed when it rejects, and ends neither call nor process", async (t) => {
    const print = t.mock.method(console, "error", () => {});
    const rejects = (what: string) => (): Promise<never> => Promise.reject(new Error(what));
    const inner = roundRobin();
    let builds = 0;
    const { client, clock, ready, transport } = balanced({
      resolver: staticResolver(["a:1"]),
      policy(connections, previous, env) {
        const picker = inner(connections, previous, env);
        if (++builds === 1) env.timer(10, rejects("timer of a policy"));
        return { pick: (call) => picker.pick(call), done: rejects("done"), close: rejects("close of a picker") };
      },
      health: [(env) => {
        env.timer(10, rejects("timer of a health check"));
        return {
          ready: rejects("ready"),
          ended: rejects("ended"),
          outcome: rejects("outcome"),
          close: rejects("close of a health check"),
        };
      }],
      observers: [{ attemptStarted: rejects("attemptStarted") as unknown as () => void }],
      onAttempt: rejects("onAttempt"),
      idleTimeoutMs: 5_000,
    });
    await ready();
    assert.equal((await client.route({ data: "x" })).code, 200);
    await clock.advance(15_000);
    await transport.close();
    await settled();
    const printed = print.mock.calls.map(({ arguments: [, error] }) => (error as Error).message);
    assert.deepEqual(printed.sort(), [
      "attemptStarted",
      "close of a health check",
      "close of a picker",
      "done",
      "ended",
      "onAttempt",
      "outcome",
      "ready",
      "timer of a health check",
      "timer of a policy",
    ]);
  });
});

describe("a listener", () => {
  it("that throws or rejects has no effect", async (t) => {
    const print = t.mock.method(console, "error", () => {});
    const broken = [() => {
      throw new Error("mine");
    }, () => Promise.reject(new Error("mine"))];
    for (const listener of broken) {
      const { client, ready, transport } = balanced({ onEvent: listener, onAttempt: listener });
      await ready();
      assert.equal((await client.route({ data: "x" }, balance({ onAttempt: listener }))).code, 200);
      await transport.close();
      await settled();
    }
    assert.ok(print.mock.callCount() >= 6);
  });

  it("that closes the transport in the middle of a change leaves no link open", async () => {
    const resolver = manualResolver();
    const { clock, ready, links, transport, client } = balanced({
      resolver,
      onEvent(event) {
        // Told while the set is reconciled, before a connection that was taken back is in use.
        if (event.type === "connection-state" && event.from === "shutdown") void transport.close();
      },
    });
    resolver.tell({ endpoints: [{ address: "a:1" }, { address: "b:1" }] });
    await ready();
    const stream = client.routeServerStream({ data: "x" })[Symbol.asyncIterator]();
    await stream.next();
    resolver.tell({ endpoints: [{ address: "b:1" }] });
    await clock.advance(40);
    resolver.tell({ endpoints: [{ address: "a:1" }, { address: "c:1" }] });
    await clock.advance(40);
    assert.deepEqual([...links.values()].filter(({ closed }) => !closed), []);
    assert.equal(links.get("c:1")?.opened ?? 0, 0);
  });
});
