import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, createClient, createRouterTransport, type Transport } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { balance } from "../../src/call/options.ts";
import type { Endpoint } from "../../src/endpoint.ts";
import { filter } from "../../src/policy/filter.ts";
import { pickFirst } from "../../src/policy/pick-first.ts";
import type { Policy, PolicyEnvironment } from "../../src/policy/policy.ts";
import { ringHash } from "../../src/policy/ring-hash.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import { subset } from "../../src/policy/subset.ts";
import { markHopeless } from "../../src/resolver/hopeless.ts";
import { balanced, failureOf } from "../support/balanced.ts";
import { settled } from "../support/manual-clock.ts";
import { manualResolver } from "../support/manual-resolver.ts";
import { pulled } from "../support/pulled.ts";

/** Who answers a call. */
async function answererOf(transport: Transport, hashKey?: string): Promise<string> {
  const options = hashKey === undefined ? {} : { hashKey };
  return (await createClient(Simple, transport).route({}, balance(options))).value.split(": ")[0]!;
}

async function answerersOf(transport: Transport, count: number): Promise<string[]> {
  const answerers: string[] = [];
  for (let i = 0; i < count; i++) answerers.push(await answererOf(transport));
  return answerers;
}

/** A transport, the states of its connections to a:1, b:1 and c:1, and how many links were opened. */
function setUp(options: Parameters<typeof balanced>[0] = {}) {
  const all = balanced(options);
  const states = () => all.transport.snapshot().endpoints!.map(({ endpoint, state }) => `${endpoint.address} ${state}`);
  const opened = () => [...all.links.values()].reduce((sum, { opened }) => sum + opened, 0);
  return { ...all, states, opened };
}

/** A policy that counts its pickers and those that were closed. */
function counting(inner: Policy = roundRobin()) {
  const seen = { builds: 0, closed: 0, env: undefined as PolicyEnvironment | undefined };
  const policy: Policy = (connections, previous, env) => {
    seen.builds++;
    seen.env = env;
    const picker = inner(connections, previous, env);
    return Object.assign(Object.create(picker), {
      pick: picker.pick.bind(picker),
      close: () => void seen.closed++,
    });
  };
  return { policy, seen };
}

const ALL_READY = ["a:1 ready", "b:1 ready", "c:1 ready"];

describe("a transport with another policy", () => {
  it("makes its calls on the same connections", async () => {
    const { opened, ready, states, transport } = setUp({ policy: roundRobin() });
    await ready();
    const first = transport.withPolicy(pickFirst());
    assert.deepEqual(await answerersOf(first, 3), ["a:1", "a:1", "a:1"]);
    assert.deepEqual((await answerersOf(transport, 3)).sort(), ["a:1", "b:1", "c:1"]);
    assert.equal(opened(), 3);
    assert.deepEqual(states(), ALL_READY);
    await transport.close();
  });

  it("fails the calls that wait when it is closed, and no other's", async () => {
    const { clock, links, transport } = setUp({ policy: roundRobin(), links: { auto: false } });
    const other = transport.withPolicy(pickFirst());
    const waiting = answererOf(transport), failed = failureOf(answererOf(other));
    await clock.advance(40);
    const before = clock.now();
    await other.close();
    assert.match(String(await failed), /closed/);
    assert.equal(clock.now(), before);
    links.get("a:1")!.ready();
    assert.equal(await waiting, "a:1");

    await transport.close();
  });

  it("makes its first call at once when the connection is ready", async () => {
    const { clock, ready, transport } = setUp({ policy: roundRobin() });
    await ready();
    const before = clock.now();
    const call = answererOf(transport.withPolicy(pickFirst()));
    await settled();
    assert.equal(await call, "a:1");
    assert.equal(clock.now(), before);
    await transport.close();
  });

  it("opens connections of its own where the others want none", async () => {
    const { opened, ready, states, transport } = setUp({ policy: pickFirst() });
    await ready();
    assert.deepEqual(states(), ["a:1 ready", "b:1 idle", "c:1 idle"]);
    const all = transport.withPolicy(roundRobin());
    await all.connect();
    assert.deepEqual(states(), ALL_READY);
    assert.deepEqual(await answerersOf(transport, 2), ["a:1", "a:1"], "the first policy is unimpressed");
    assert.equal(opened(), 3);
    await transport.close();
  });

  it("closes what only its policy wanted when it is closed, and leaves the others alone", async () => {
    const { clock, links, ready, states, transport } = setUp({ policy: pickFirst() });
    await ready();
    const all = transport.withPolicy(roundRobin());
    await all.connect();
    const given = new Map(links);
    await all.close();
    await clock.advance(40);
    assert.deepEqual(states(), ["a:1 ready", "b:1 idle", "c:1 idle"]);
    assert.deepEqual([...given.values()].map(({ closed }) => closed), [false, true, true]);
    assert.equal(await answererOf(transport), "a:1");
    await transport.close();
  });

  it("keeps a connection that another policy opened when that one lets it go", async () => {
    for (const policy of [pickFirst(), ringHash()]) {
      const { clock, states, transport } = setUp({ policy });
      const all = transport.withPolicy(roundRobin());
      const connected = all.connect();
      await clock.advance(40);
      await connected;
      const answerer = await answererOf(transport, "key");
      await all.close();
      await clock.advance(40);
      assert.deepEqual(states().filter((state) => state.endsWith("ready")), [`${answerer} ready`]);
      await transport.close();
    }
  });

  it("is not started by what others do, nor by being created", async () => {
    const { clock, ready, transport } = setUp({ policy: roundRobin() });
    const { policy, seen } = counting();
    const other = transport.withPolicy(policy);
    await ready();
    await clock.advance(1_000);
    assert.equal(seen.builds, 0);
    await answererOf(other);
    assert.ok(seen.builds > 0);
    await transport.close();
  });

  it("starts what it shares: calls of the first one need not come first", async () => {
    const { clock, transport } = setUp({ policy: pickFirst() });
    const call = answererOf(transport.withPolicy(roundRobin()));
    await clock.advance(40);
    assert.equal(await call, "a:1");
    await transport.close();
  });

  it("runs no policy whose transport has no calls", async () => {
    const { policy, seen } = counting();
    const { clock, transport } = setUp({ policy });
    const call = answererOf(transport.withPolicy(pickFirst()));
    await clock.advance(40);
    await call;
    assert.equal(seen.builds, 0);
    await transport.close();
  });

  it("sees ejection as all others do", async () => {
    const sick = new Set(["b:1"]);
    const hits = new Map<string, number>();
    const linkTransport = ({ address }: Endpoint) =>
      createRouterTransport(({ service }) =>
        service(Simple, {
          route() {
            hits.set(address, (hits.get(address) ?? 0) + 1);
            if (sick.has(address)) throw new ConnectError("away", Code.Unavailable);
            return { value: address };
          },
        })
      );
    const { ready, transport } = setUp({ links: { transport: linkTransport }, policy: roundRobin(), retry: false });
    await ready();
    const other = transport.withPolicy(roundRobin());
    for (let i = 0; i < 40; i++) await answererOf(transport).catch(() => {});
    assert.ok(transport.snapshot().endpoints![1]!.ejected, "b:1 is ejected");
    assert.ok(other.snapshot().endpoints![1]!.ejected, "also for the other one");
    hits.clear();
    assert.deepEqual(new Set(await answerersOf(other, 20)), new Set(["a:1", "c:1"]));
    assert.equal(hits.get("b:1"), undefined);
    await transport.close();
  });

  it("fails its calls when it is closed, those that wait at once, while those in flight go on", async () => {
    const answers: (() => void)[] = [];
    const linkTransport = () =>
      createRouterTransport(({ service }) =>
        service(Simple, {
          async route() {
            await new Promise<void>((resolve) => answers.push(resolve));
            return { value: "late" };
          },
        })
      );
    const { clock, links, ready, transport } = setUp({ links: { transport: linkTransport }, policy: pickFirst() });
    await ready();
    const other = transport.withPolicy(filter(({ address }) => address !== "a:1", roundRobin()));
    const call = answererOf(other);
    await clock.advance(40);
    for (const { room } of links.values()) assert.equal(room, undefined);
    for (const link of links.values()) link.room = 0;
    const waiting = failureOf(answererOf(other)), first = failureOf(answererOf(transport));
    await settled();
    assert.equal(transport.snapshot().waiting, 2);
    await other.close();
    const failure = ConnectError.from(await waiting);
    assert.equal(failure.code, Code.FailedPrecondition);
    assert.match(failure.message, /the transport is closed/);
    assert.equal(ConnectError.from(await failureOf(answererOf(other))).code, Code.FailedPrecondition);
    assert.equal(ConnectError.from(await failureOf(other.connect())).code, Code.FailedPrecondition);
    assert.equal(transport.snapshot().waiting, 1, "calls of others wait on");
    for (const answer of answers) answer();
    assert.equal(await call, "late");
    await transport.close();
    assert.equal(ConnectError.from(await first).code, Code.FailedPrecondition);
  });

  it("may be closed twice, and refuses a time to wait that is none", async () => {
    const { ready, transport } = setUp();
    await ready();
    const other = transport.withPolicy(pickFirst());
    await answererOf(other);
    await assert.rejects(other.close(-1), RangeError);
    assert.equal(await answererOf(other), "a:1");
    await other.close();
    await other.close(1_000);
    await other[Symbol.asyncDispose]();
    assert.ok(await answererOf(transport));
    await transport.close();
    assert.equal(ConnectError.from(await failureOf(answererOf(other))).code, Code.FailedPrecondition);
  });

  it("is closed with the transport that it shares connections with, whether or not it was used", async () => {
    const { ready, transport } = setUp();
    await ready();
    const { policy, seen } = counting();
    const used = transport.withPolicy(policy), unused = transport.withPolicy(pickFirst());
    await answererOf(used);
    await transport.close();
    assert.equal(seen.closed, 1);
    for (const closed of [used, unused]) {
      assert.equal(ConnectError.from(await failureOf(answererOf(closed))).code, Code.FailedPrecondition);
    }
    seen.env!.update();
    await settled();
    const { builds } = seen;
    await settled();
    assert.equal(seen.builds, builds);
  });

  it("takes another policy in turn, which does not depend on it", async () => {
    const { ready, transport } = setUp({ policy: roundRobin() });
    await ready();
    const first = transport.withPolicy(pickFirst()), second = first.withPolicy(ringHash());
    const answerer = await answererOf(second, "key");
    await first.close();
    assert.equal(await answererOf(second, "key"), answerer);
    await transport.close();
  });

  it("has its own picker in its snapshot, and everything else in common", async () => {
    const { ready, transport } = setUp({ policy: ringHash() });
    await ready();
    const first = transport.withPolicy(pickFirst());
    await answererOf(first);
    const shared = ({ policy: _, ...rest }: { policy: unknown }) => rest;
    assert.deepEqual(first.snapshot().endpoints!.map(shared), transport.snapshot().endpoints!.map(shared));
    assert.deepEqual(first.snapshot().endpoints!.map(({ policy }) => policy), [
      { selected: true },
      { selected: false },
      { selected: false },
    ]);
    assert.ok(transport.snapshot().endpoints!.every(({ policy }) => "ringShare" in policy!));
    await transport.close();
  });

  it("leaves a connection open that another subset wants", async () => {
    const resolver = manualResolver();
    const { clock, states, transport } = setUp({ policy: subset({ size: 1 }, roundRobin()), resolver });
    const set = (...addresses: string[]) => resolver.tell({ endpoints: addresses.map((address) => ({ address })) });
    set("a:1");
    const call = answererOf(transport);
    await clock.advance(40);
    await call;
    const other = transport.withPolicy(roundRobin());
    await answererOf(other);
    // Whichever the subset takes, the other policy wants all.
    for (const more of [["b:1"], ["b:1", "c:1"], ["b:1", "c:1", "d:1", "e:1", "f:1"]]) {
      set("a:1", ...more);
      await clock.advance(40);
      assert.ok(states().every((state) => state.endsWith("ready")), states().join());
    }
    await other.close();
    await clock.advance(40);
    assert.equal(states().filter((state) => state.endsWith("ready")).length, 1);
    await transport.close();
  });

  it("goes idle with the others, and starts again with its next call alone", async () => {
    const { policy, seen } = counting();
    const { clock, ready, states, transport } = setUp({ policy: roundRobin(), idleTimeoutMs: 1_000 });
    await ready();
    const other = transport.withPolicy(policy), first = transport.withPolicy(pickFirst());
    await answererOf(other);
    await answererOf(first);
    await clock.advance(5_000);
    assert.equal(transport.snapshot().endpoints, undefined);
    const { builds } = seen;
    const call = answererOf(first);
    await clock.advance(40);
    await call;
    assert.deepEqual(states(), ["a:1 ready", "b:1 idle", "c:1 idle"]);
    assert.equal(seen.builds, builds);
    await transport.close();
  });

  it("forgets what was wanted before it went idle", async () => {
    const { clock, ready, states, transport } = setUp({ policy: roundRobin(), idleTimeoutMs: 1_000 });
    await ready();
    const first = transport.withPolicy(pickFirst());
    await answererOf(first);
    await clock.advance(5_000);
    const all = transport.withPolicy(roundRobin());
    const call = answererOf(all);
    await clock.advance(40);
    await call;
    assert.deepEqual(states(), ALL_READY);
    await all.close();
    await clock.advance(40);
    assert.deepEqual(states(), ["a:1 idle", "b:1 idle", "c:1 idle"]);
    await transport.close();
  });

  it("fails its calls at once, too, when waiting does not fix the resolver", async () => {
    const resolver = manualResolver();
    const { clock, transport } = setUp({ resolver });
    const failed = failureOf(answererOf(transport));
    resolver.tell({ endpoints: undefined, stale: { sinceMs: 0, cause: markHopeless(new Error("no such service")) } });
    await clock.advance(40);
    assert.match(String(await failed), /no such service/);
    const other = failureOf(answererOf(transport.withPolicy(pickFirst())));
    await settled();
    assert.match(String(await other), /no such service/);
    await transport.close();
  });

  it("wants nothing any more after it was closed, whatever its policy still does", async () => {
    const { clock, ready, states, transport } = setUp({ policy: pickFirst() });
    await ready();
    let late = () => {};
    const other = transport.withPolicy((connections, previous, env) => {
      late = () => connections.forEach((connection) => connection.connect());
      late();
      return roundRobin()(connections, previous, env);
    });
    await answererOf(other);
    await other.close();
    late();
    await clock.advance(40);
    assert.deepEqual(states(), ["a:1 ready", "b:1 idle", "c:1 idle"]);
    await transport.close();
  });

  it("may be closed by its own policy", async () => {
    const { clock, ready, states, transport } = setUp({ policy: pickFirst() });
    await ready();
    let closed = 0;
    const other = transport.withPolicy((connections, previous, env) => {
      void other.close();
      const picker = roundRobin()(connections, previous, env);
      return { pick: (call) => picker.pick(call), close: () => void closed++ };
    });
    assert.equal(ConnectError.from(await failureOf(answererOf(other))).code, Code.FailedPrecondition);
    await clock.advance(40);
    assert.equal(closed, 1);
    assert.deepEqual(states(), ["a:1 ready", "b:1 idle", "c:1 idle"]);
    await transport.close();
  });

  it("says in an event when its policy fails, and others go on", async () => {
    const { events, ready, transport } = setUp();
    await ready();
    const other = transport.withPolicy(() => {
      throw new Error("no idea");
    });
    assert.match(String(await failureOf(answererOf(other))), /the policy failed: no idea/);
    assert.equal(events.filter(({ type }) => type === "policy-failed").length, 1);
    assert.ok(await answererOf(transport));
    await transport.close();
  });

  it("is served in its turn when calls of several wait for the same room", async () => {
    const answers: (() => void)[] = [], order: string[] = [];
    const routes = createRouterTransport(({ service }) =>
      service(Simple, {
        async route({ data }) {
          order.push(data);
          await new Promise<void>((resolve) => answers.push(resolve));
          return {};
        },
      })
    );
    const linkTransport = (): Transport => ({
      ...routes,
      unary(...args) {
        linkOf("a:1").room = 0;
        return routes.unary(...args);
      },
    });
    const resolver = manualResolver();
    const { clock, links, transport } = setUp({ links: { transport: linkTransport }, resolver });
    const linkOf = (address: string) => links.get(address)!;
    resolver.tell({ endpoints: [{ address: "a:1" }] });
    const others = [transport, transport.withPolicy(pickFirst()), transport.withPolicy(ringHash())];
    const connected = transport.connect();
    await clock.advance(40);
    await connected;
    const link = linkOf("a:1");
    link.room = 0;
    const calls = Array.from({ length: 6 }, (_, i) => {
      return createClient(Simple, others[i % 3]!).route({ data: `${i}` });
    });
    for (let i = 0; i < 6; i++) {
      await settled();
      link.room = 1;
      link.events.room!();
      await settled();
      assert.equal(order.length, i + 1);
      answers[i]!();
    }
    await Promise.all(calls);
    assert.deepEqual(order, ["0", "1", "2", "3", "4", "5"]);
    await transport.close();
  });

  it("leaves nothing behind when thousands are made and closed", async () => {
    const { clock, opened, ready, states, transport } = setUp({ policy: roundRobin() });
    await ready();
    const { policy, seen } = counting();
    for (let i = 0; i < 3_000; i++) {
      const other = transport.withPolicy(policy);
      if (i % 3 > 0) await answererOf(other);
      await other.close();
    }
    assert.equal(seen.builds, 2_000);
    assert.equal(seen.closed, 2_000);
    await clock.advance(1_000);
    assert.equal(seen.builds, 2_000, "no policy of theirs is called any more");
    assert.deepEqual(states(), ALL_READY);
    assert.equal(opened(), 3);
    await transport.close();
    assert.deepEqual(clock.pending, []);
  });

  it("takes nothing but a policy", () => {
    const { transport } = setUp();
    assert.throws(() => transport.withPolicy(undefined!), TypeError);
    assert.throws(() => transport.withPolicy(roundRobin as unknown as Policy), /Call it/);
  });
});

describe("a pull transport with another policy", () => {
  it("shares endpoints and connections, also for the calls of a request", async () => {
    const { clock, lists, links, transport } = pulled({
      addresses: ["a:1", "b:1", "c:1"],
      policy: roundRobin(),
      links: { stateless: false, auto: true },
    });
    const other = transport.withPolicy(pickFirst());
    const call = answererOf(transport);
    await clock.advance(40);
    await call;
    const ctx = { waitUntil: () => {} };
    assert.equal(await answererOf(other), "a:1");
    assert.equal(await answererOf(other.forRequest(ctx)), "a:1");
    assert.deepEqual((await answerersOf(transport.forRequest(ctx), 3)).sort(), ["a:1", "b:1", "c:1"]);
    assert.equal(lists.length, 1);
    assert.ok([...links.values()].every(({ opened }) => opened === 1));
    assert.deepEqual(other.snapshot().endpoints![0]!.policy, { selected: true });
    await other.close();
    assert.equal(ConnectError.from(await failureOf(answererOf(other.forRequest(ctx)))).code, Code.FailedPrecondition);
    assert.ok(await answererOf(transport));
    await transport.close();
  });

  it("reads the set itself if its call is the first", async () => {
    const { clock, lists, transport } = pulled({ addresses: ["a:1", "b:1"], policy: roundRobin() });
    const call = answererOf(transport.withPolicy(pickFirst()));
    await clock.advance(40);
    assert.equal(await call, "a:1");
    assert.equal(lists.length, 1);
    assert.throws(() => transport.withPolicy(undefined!), TypeError);
    await transport.close();
  });
});
