import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Client, Code, ConnectError, createRouterTransport, type Transport } from "@connectrpc/connect";
import type { Simple } from "../../gen/simple_pb.ts";
import type { Attempt } from "../../src/call/observer.ts";
import { balance } from "../../src/call/options.ts";
import { markAttempt } from "../../src/connection/mark.ts";
import type { HealthCheck } from "../../src/health/health.ts";
import type { Resolution } from "../../src/resolver/resolver.ts";
import { createPullTransport } from "../../src/transport/pull.ts";
import { failureOf } from "../support/balanced.ts";
import { fakeConnector } from "../support/fake-links.ts";
import { settled } from "../support/manual-clock.ts";
import { pulled } from "../support/pulled.ts";
import { simpleRoutes } from "../support/simple.ts";

/** Who answers a call. */
async function who(client: Client<typeof Simple>): Promise<string> {
  return (await client.route({ data: "x" })).value.slice(0, 1);
}

async function several(client: Client<typeof Simple>, calls: number): Promise<string> {
  let answered = "";
  for (let i = 0; i < calls; i++) answered += await who(client);
  return answered;
}

/** Who answers, or `…` while nobody has. */
function pending(client: Client<typeof Simple>): { by: string } {
  const seen = { by: "…" };
  who(client).then((by) => seen.by = by, (error: Error) => seen.by = error.message);
  return seen;
}

/** A link's transport that fails as long as its address is in `dead`. */
function mortal(address: string, dead: ReadonlySet<string>): Transport {
  const inner = createRouterTransport(simpleRoutes({ name: address }));
  return {
    ...inner,
    unary(...args) {
      if (!dead.has(address)) return inner.unary(...args);
      return Promise.reject(markAttempt(new ConnectError(`${address} is away`, Code.Unavailable), "not-sent"));
    },
  };
}

describe("a pull transport", () => {
  it("does nothing when it is created, and no timer runs between calls", async () => {
    const { client, clock, lists, links } = pulled({ addresses: ["a:1", "b:1"] });
    await settled();
    assert.deepEqual([lists.length, links.size, clock.pending], [0, 0, []]);
    await several(client, 4);
    assert.deepEqual(clock.pending, []);
  });

  it("reads the set for the first call, once, and spreads calls over it", async () => {
    const { client, lists } = pulled({ addresses: ["c:1", "a:1", "b:1"] });
    assert.equal(await several(client, 6), "abcabc");
    assert.equal(lists.length, 1);
  });

  it("refuses a resolver without list(), unknown options, and a request's context without waitUntil", () => {
    const { connector } = fakeConnector();
    const resolve = async function* () {};
    assert.throws(
      () => createPullTransport({ resolver: { resolve } as never, connector }),
      /^TypeError: option resolver is an object: expected a resolver with list\(\), such as registry\.resolver/,
    );
    const registry = { list() {}, resolver() {}, register() {} };
    assert.throws(
      () => createPullTransport({ resolver: registry as never, connector }),
      /^TypeError: option resolver is a registry: expected registry\.resolver\(service\)$/,
    );
    assert.throws(
      () => createPullTransport({ resolver: { list: () => Promise.reject() }, connector, maxAge: 1 } as never),
      /^TypeError: createPullTransport\(\) has no option "maxAge": did you mean maxAgeMs\?/,
    );
    assert.throws(() => pulled({ maxAgeMs: 0 }), RangeError);
    assert.throws(
      () => pulled().transport.forRequest({} as never),
      /^TypeError: forRequest\(\) takes a request's context, \{ waitUntil\(promise\) \}, not \{\}/,
    );
  });

  it("reads the set again before a call that finds it older than maxAgeMs", async () => {
    const { client, clock, lists } = pulled({ maxAgeMs: 5_000 });
    const first = pending(client);
    await settled();
    lists[0]!.answer("a:1");
    await settled();
    assert.equal(first.by, "a");
    await clock.advance(4_999);
    assert.equal(await who(client), "a");
    assert.equal(lists.length, 1);
    await clock.advance(1);
    const second = pending(client);
    await settled();
    assert.deepEqual([lists.length, second.by], [2, "…"]);
    lists[1]!.answer("b:1");
    await settled();
    assert.equal(second.by, "b");
  });

  it("follows endpoints that leave and join", async () => {
    const { client, clock, lists, links } = pulled();
    const answers: string[] = [];
    for (const set of [["a:1", "b:1"], ["b:1", "c:1"]]) {
      const call = pending(client);
      await settled();
      lists.at(-1)!.answer(...set);
      await settled();
      answers.push(call.by + await several(client, 3));
      await clock.advance(5_000);
    }
    assert.deepEqual(answers, ["abab", "cbcb"]);
    assert.equal(links.get("a:1")?.closed, true);
  });

  describe("for a request", () => {
    it("uses the old set while the new one is read through waitUntil; only the first call of all waits", async () => {
      const { request, clock, lists } = pulled();
      const first = request(), waiting = pending(first.client);
      await settled();
      assert.deepEqual([waiting.by, first.promises.length], ["…", 1]);
      lists[0]!.answer("a:1");
      await settled();
      assert.equal(waiting.by, "a");
      await Promise.all(first.promises);

      await clock.advance(6_000);
      const second = request();
      assert.equal(await several(second.client, 3), "aaa");
      assert.deepEqual([lists.length, second.promises.length], [2, 1]);
      lists[1]!.answer("b:1");
      await Promise.all(second.promises);
      assert.equal(await who(request().client), "b");
    });

    it("reads the set in the background once at a time, and again if the request that read it is gone", async () => {
      const { request, clock, lists, events } = pulled();
      pending(request().client);
      await settled();
      lists[0]!.answer("a:1");
      await settled();
      await clock.advance(5_000);
      for (let i = 0; i < 10; i++) await who(request().client);
      assert.equal(lists.length, 2);
      // The list is never answered: its request was cut.
      await clock.advance(2_999);
      await who(request().client);
      assert.equal(lists.length, 2);
      await clock.advance(1);
      await who(request().client);
      assert.deepEqual(events.map(({ type }) => type), ["endpoints-changed", "endpoints-stale"]);
      await clock.advance(1_000);
      await who(request().client);
      assert.equal(lists.length, 3);
      lists[2]!.answer("b:1");
      await settled();
      assert.equal(await who(request().client), "b");
      // An answer that was thought lost is older than what is known.
      lists[1]!.answer("a:1");
      await clock.advance(20);
      assert.equal(await who(request().client), "b");
    });

    it("lets calls of one request that need the same list share it", async () => {
      const { request, clock, lists } = pulled();
      const { client } = request();
      const calls = Array.from({ length: 20 }, () => pending(client));
      await clock.advance(1_000);
      assert.equal(lists.length, 1);
      lists[0]!.answer("a:1");
      await settled();
      assert.deepEqual(calls.map(({ by }) => by), Array(20).fill("a"));
    });

    it("waits for the new set if the old one is empty, also if the registry answers only later", async () => {
      const { request, clock, lists } = pulled();
      const first = pending(request().client);
      await settled();
      lists[0]!.answer();
      await settled();
      assert.match(first.by, /unavailable.*there are no endpoints/);
      assert.match(String(await failureOf(request().client.route({}))), /there are no endpoints/);
      assert.equal(lists.length, 1);

      await clock.advance(5_000);
      const second = pending(request().client);
      await settled();
      assert.deepEqual([lists.length, second.by], [2, "…"]);
      lists[1]!.fail();
      await settled();
      assert.equal(second.by, "…");
      await clock.advance(1_500);
      assert.deepEqual([lists.length, second.by], [3, "…"]);
      lists[2]!.answer("a:1");
      await clock.advance(320);
      assert.equal(second.by, "a");
    });

    it("waits for the new set if every endpoint of the old one is failing", async () => {
      const { request, clock, lists } = pulled({
        links: { stateless: true, transport: ({ address }) => mortal(address, new Set(["a:1", "b:1"])) },
      });
      const first = pending(request().client);
      await settled();
      lists[0]!.answer("a:1", "b:1");
      await clock.advance(200);
      assert.match(first.by, /every endpoint is failing.*a:1 is away/);
      await clock.advance(60_000);
      const second = pending(request().client);
      await settled();
      assert.deepEqual([lists.length, second.by], [2, "…"]);
      lists[1]!.answer("c:1");
      await clock.advance(320);
      assert.equal(second.by, "c");
    });

    it("says why every endpoint of an old set fails when there is no new set within 3 s", async () => {
      const { request, clock, lists } = pulled({
        links: { stateless: true, transport: ({ address }) => mortal(address, new Set(["a:1"])) },
      });
      pending(request().client);
      await settled();
      lists[0]!.answer("a:1");
      await clock.advance(60_000);
      const call = pending(request().client);
      await clock.advance(2_900);
      assert.equal(call.by, "…");
      await clock.advance(500);
      assert.match(call.by, /every endpoint is failing.*a:1 is away.*did not answer/);
    });

    it("calls through the transport's interceptors", async () => {
      let calls = 0;
      const { request } = pulled({
        addresses: ["a:1"],
        interceptors: [(next) => (call) => {
          calls++;
          return next(call);
        }],
      });
      await several(request().client, 2);
      assert.equal(calls, 2);
    });
  });

  describe("while lists take long", () => {
    it("lets a call in another request use the answer, and read the set itself if there is none", async () => {
      const { client, clock, lists } = pulled();
      const first = pending(client), second = pending(client);
      await clock.advance(240);
      assert.equal(lists.length, 1);
      await clock.advance(400);
      assert.equal(lists.length, 2);
      lists[1]!.answer("a:1");
      await settled();
      assert.equal(second.by, "a");
      assert.equal(first.by, "…");
      await clock.advance(320);
      assert.equal(first.by, "a");
    });

    it("begins few of them, however many calls wait", async () => {
      const { client, clock, lists } = pulled();
      const calls = Array.from({ length: 50 }, () => pending(client));
      await clock.advance(2_900);
      assert.ok(lists.length <= 12, `${lists.length}`);
      lists[0]!.answer("a:1");
      await clock.advance(320);
      assert.ok(calls.every(({ by }) => by === "a"));
    });

    it("goes on with the old set after half a second, and takes the new one when it comes", async () => {
      const { client, clock, lists } = pulled();
      pending(client);
      await settled();
      lists[0]!.answer("a:1");
      await settled();
      await clock.advance(5_000);
      const call = pending(client);
      await clock.advance(900);
      assert.equal(call.by, "a");
      assert.equal(await several(client, 3), "aaa");
      assert.equal(lists.length, 2);
      lists[1]!.answer("b:1");
      await settled();
      assert.equal(await who(client), "b");
    });

    it("waits longer than that if the old set is empty", async () => {
      const { client, clock, lists } = pulled();
      pending(client);
      await settled();
      lists[0]!.answer();
      await clock.advance(5_000);
      const call = pending(client);
      await clock.advance(4_000);
      assert.equal(call.by, "…");
      lists.at(-1)!.answer("a:1");
      await clock.advance(320);
      assert.equal(call.by, "a");
    });

    it("gives one up after 10 s", async () => {
      const { client, clock, lists } = pulled();
      const failed = failureOf(client.route({}, { timeoutMs: 500 }));
      await clock.advance(500);
      assert.match(String(await failed), /deadline_exceeded.*the endpoints of simple are not known yet/);
      await clock.advance(9_499);
      assert.equal(lists[0]!.signal.aborted, false);
      await clock.advance(1);
      assert.equal(lists[0]!.signal.aborted, true);
      assert.deepEqual(clock.pending, []);
    });
  });

  describe("while the registry is away", () => {
    it("uses the last set, marked as stale, and asks again after a backoff, without a timer", async () => {
      const { client, clock, lists, events, transport } = pulled();
      pending(client);
      await settled();
      lists[0]!.answer("a:1");
      await clock.advance(5_000);
      const call = pending(client);
      await settled();
      lists[1]!.fail();
      await settled();
      assert.equal(call.by, "a");
      assert.deepEqual(clock.pending, []);
      assert.equal(transport.snapshot().stale?.cause.message, "the registry is away");
      // Random 0: the backoff is shorter than its base by the jitter of 0.2.
      await clock.advance(799);
      assert.equal(await several(client, 3), "aaa");
      assert.equal(lists.length, 2);
      await clock.advance(1);
      const again = pending(client);
      await settled();
      assert.equal(lists.length, 3);
      lists[2]!.fail();
      await settled();
      assert.equal(again.by, "a");
      await clock.advance(1_279);
      await who(client);
      assert.equal(lists.length, 3);
      await clock.advance(1);
      pending(client);
      await settled();
      lists[3]!.answer("b:1");
      await settled();
      assert.equal(await who(client), "b");
      assert.equal(transport.snapshot().stale, undefined);
      // Its backoff begins anew.
      await clock.advance(5_000);
      pending(client);
      await settled();
      lists[4]!.fail();
      await clock.advance(800);
      pending(client);
      await settled();
      assert.equal(lists.length, 6);
      lists[5]!.answer("b:1");
      await settled();
      const told = events.map(({ type }) => type).filter((type) => type !== "connection-state");
      assert.deepEqual(told, [
        "endpoints-changed",
        "endpoints-stale",
        "endpoints-fresh",
        "endpoints-changed",
        "endpoints-stale",
        "endpoints-fresh",
      ]);
    });

    it("lets the first call wait for it, and say why when its time is over", async () => {
      const { client, clock, lists } = pulled({ waitTimeoutMs: 2_000 });
      const call = pending(client), late = failureOf(client.route({}, { timeoutMs: 700 }));
      await settled();
      lists[0]!.fail();
      await clock.advance(700);
      assert.match(String(await late), /deadline_exceeded.*not known yet; stale for 0\.7 s: the registry is away/);
      await clock.advance(420);
      assert.equal(lists.length, 2);
      lists[1]!.answer("a:1");
      await settled();
      assert.equal(call.by, "a");
    });

    it("lets calls fail at once if list() returns anything but a resolution", async () => {
      const { client } = pulled({ resolver: { list: () => Promise.resolve([] as unknown as Resolution) } });
      const text =
        /unavailable.*there are no endpoints.*the resolver yielded an array: expected \{ endpoints, stale\? \}/;
      assert.match(String(await failureOf(client.route({}))), text);
    });

    it("counts a list that throws as failed", async () => {
      const list = () => {
        throw new Error("no binding");
      };
      const { client, clock } = pulled({ resolver: { list } });
      const failed = failureOf(client.route({}, { timeoutMs: 300 }));
      await clock.advance(300);
      assert.match(String(await failed), /no binding/);
    });
  });

  it("goes to another endpoint when an attempt was not sent, and reads the set again soon after", async () => {
    const dead = new Set<string>(), attempts: Attempt[] = [];
    const { client, clock, lists } = pulled({
      addresses: ["a:1", "b:1", "c:1"],
      maxAgeMs: 60_000,
      links: { stateless: true, transport: ({ address }) => mortal(address, dead) },
      onAttempt: (attempt) => void attempts.push(attempt),
    });
    await who(client);
    dead.add("b:1");
    assert.equal(await who(client), "c");
    assert.deepEqual(attempts.map(({ endpoint, end }) => `${endpoint.address[0]} ${end}`), [
      "a answered",
      "b not-sent",
      "c answered",
    ]);
    assert.equal(await several(client, 4), "acac");
    assert.equal(lists.length, 1);
    await clock.advance(1_000);
    await several(client, 2);
    assert.equal(lists.length, 2);
  });

  it("ends the backoff of a connection at the next call after it, without a timer", async () => {
    const dead = new Set(["b:1"]);
    const { client, clock } = pulled({
      addresses: ["a:1", "b:1"],
      maxAgeMs: Infinity,
      links: { stateless: true, transport: ({ address }) => mortal(address, dead) },
    });
    assert.equal(await several(client, 3), "aaa");
    dead.clear();
    assert.equal(await several(client, 3), "aaa");
    assert.deepEqual(clock.pending, []);
    await clock.advance(1_200);
    await who(client);
    await clock.advance(20);
    assert.match(await several(client, 4), /abab|baba/);
  });

  it("lets a call that waits for readiness see the end of a backoff", async () => {
    const dead = new Set(["a:1"]);
    const { client, clock } = pulled({
      addresses: ["a:1"],
      links: { stateless: true, transport: ({ address }) => mortal(address, dead) },
    });
    const call = client.route({ data: "x" }, balance({ waitForReady: true }, { timeoutMs: 5_000 }));
    await clock.advance(500);
    dead.clear();
    await clock.advance(900);
    assert.equal((await call).value, "a:1: hello x");
    assert.deepEqual(clock.pending, []);
  });

  it("applies health checks, whose timers run when there are calls", async () => {
    const holdsA: HealthCheck = (env) => ({
      ready(connection) {
        if (connection.endpoint.address !== "a:1") return;
        env.report(connection, new Error("warming up"));
        env.timer(3_000, () => env.report(connection, "serving"));
      },
    });
    const { client, clock } = pulled({ addresses: ["a:1", "b:1"], health: [holdsA] });
    assert.equal(await several(client, 3), "bbb");
    await clock.advance(3_000);
    await who(client);
    await clock.advance(20);
    assert.match(await several(client, 4), /abab|baba/);
  });

  it("works over links that are opened: calls wait until one is ready, in any order of events", async () => {
    const { client, clock, links, lists } = pulled({ links: { stateless: false } });
    const call = pending(client);
    await settled();
    lists[0]!.answer("a:1", "b:1");
    await settled();
    assert.equal(call.by, "…");
    links.get("b:1")!.ready();
    await settled();
    assert.equal(call.by, "b");
    links.get("a:1")!.ready();
    await clock.advance(20);
    assert.equal(await several(client, 2), "ab");
    assert.deepEqual(clock.pending, []);
  });

  it("fails calls at once when no link can be opened", async () => {
    const { client, clock, links } = pulled({ addresses: ["a:1"], links: { stateless: false } });
    const failed = failureOf(client.route({}));
    await clock.advance(3_000);
    links.get("a:1")!.refuse();
    await settled();
    assert.match(String(await failed), /unavailable.*every endpoint is failing.*connection refused/);
    assert.deepEqual(clock.pending, []);
  });

  it("waits in line for room", async () => {
    const { client, clock, links } = pulled({ addresses: ["a:1"], links: { stateless: false, auto: true } });
    await who(client);
    links.get("a:1")!.room = 0;
    const call = pending(client);
    await clock.advance(2_000);
    assert.equal(call.by, "…");
    links.get("a:1")!.room = 1;
    links.get("a:1")!.events.room!();
    await settled();
    assert.equal(call.by, "a");
  });

  it("forgets the set after a long time without calls", async () => {
    const { client, clock, lists, transport } = pulled({ idleTimeoutMs: 60_000 });
    pending(client);
    await settled();
    lists[0]!.answer("a:1");
    await settled();
    await clock.advance(60_001);
    const call = pending(client);
    await clock.advance(5_000);
    assert.equal(call.by, "…");
    assert.equal(transport.snapshot().endpoints, undefined);
    lists.at(-1)!.answer("b:1");
    await clock.advance(320);
    assert.equal(call.by, "b");
  });

  it("shows its state, and fails calls once it is closed", async () => {
    const { client, request, clock, transport, lists, links } = pulled();
    assert.equal(transport.snapshot().endpoints, undefined);
    pending(client);
    await settled();
    assert.equal(transport.snapshot().waiting, 1);
    lists[0]!.answer("a:1");
    await settled();
    const { target, endpoints, waiting } = transport.snapshot();
    assert.deepEqual([target, endpoints?.map(({ picks }) => picks), waiting], ["simple", [1], 0]);
    await clock.advance(5_000);
    const open = failureOf(client.route({}));
    await settled();
    await transport.close();
    assert.match(String(await open), /failed_precondition.*the transport is closed/);
    assert.match(String(await failureOf(client.route({}))), /failed_precondition/);
    assert.match(String(await failureOf(request().client.route({}))), /failed_precondition/);
    assert.equal(links.get("a:1")!.closed, true);
    lists[1]!.answer("b:1");
    await settled();
    assert.equal(links.size, 1);
    await transport.close();
    await assert.rejects(transport.close(-1), RangeError);
  });

  it("forgets calls whose requests were cut while they waited", async () => {
    const { client, clock, transport, lists } = pulled({ waitTimeoutMs: Infinity });
    const { timer } = clock;
    // In workerd, the timers of a request end with it.
    clock.timer = () => ({ cancel() {} });
    for (let i = 0; i < 100; i++) pending(client);
    await settled();
    clock.timer = timer;
    assert.equal(transport.snapshot().waiting, 100);
    await clock.advance(61_000);
    pending(client);
    await settled();
    assert.equal(transport.snapshot().waiting, 1);
    assert.equal(lists.length, 2);
    lists.at(-1)!.answer("a:1");
    await settled();
    assert.equal(transport.snapshot().waiting, 0);
  });
});
