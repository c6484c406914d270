import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import fc from "fast-check";
import type { Endpoint } from "../../src/endpoint.ts";
import { peerSlice } from "../../src/resolver/peer-slice.ts";
import { peerSubset, type PeerSubsetOptions } from "../../src/resolver/peer-subset.ts";
import type { Resolution, Resolver } from "../../src/resolver/resolver.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { createPullTransport } from "../../src/transport/pull.ts";
import { countListeners } from "../support/count-listeners.ts";
import { fakeConnector } from "../support/fake-links.ts";
import { mulberry32 } from "../support/fake-connections.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { type ManualResolver, manualResolver } from "../support/manual-resolver.ts";

const servers = (count: number): Endpoint[] =>
  Array.from({ length: count }, (_, i) => ({ address: `10.0.${i >> 8}.${i & 255}:80` }));
const clients = (count: number): Endpoint[] =>
  Array.from({ length: count }, (_, i) => ({ address: `10.1.${i >> 8}.${i & 255}:90` }));
const self = "10.1.0.0:90";
const addressesOf = (endpoints: readonly Endpoint[] | undefined) => endpoints?.map(({ address }) => address).sort();

/** The load of each server, if all clients send as much and obey the weights. */
function loads(all: readonly Endpoint[], size: number, of: number): number[] {
  const loads = new Map(all.map(({ address }) => [address, 0]));
  for (let index = 0; index < of; index++) {
    const slice = peerSlice(all, size, { index, of }), total = slice.reduce((sum, { weight = 1 }) => sum + weight, 0);
    for (const { address, weight = 1 } of slice) loads.set(address, loads.get(address)! + weight / total);
  }
  return [...loads.values()];
}

describe("a slice of the servers", () => {
  it("gives all servers the same load, however many clients there are", () => {
    for (const [count, size, of] of [[200, 20, 1_000], [10, 3, 7], [7, 3, 10], [100, 12, 3], [5, 1, 64]] as const) {
      const all = loads(servers(count), size, of), mean = of / count;
      for (const load of all) assert.ok(Math.abs(load / mean - 1) < 1e-9, `${load} instead of ${mean}`);
    }
  });

  it("has as many servers as it should, and one more at each end at most, unless clients are few", () => {
    for (let index = 0; index < 1_000; index += 13) {
      const { length } = peerSlice(servers(200), 20, { index, of: 1_000 });
      assert.ok(length >= 20 && length <= 21, `${length}`);
    }
    assert.equal(peerSlice(servers(10), 3, { index: 0, of: 2 }).length, 5, "all servers must be used by someone");
    assert.equal(peerSlice(servers(10), 3, { index: 0, of: 1 }).length, 10);
  });

  it("has smaller weights where it covers a part, relative to those that servers have", () => {
    const slice = peerSlice(servers(10), 3, { index: 3, of: 7 });
    const weights = slice.map(({ weight }) => weight!);
    assert.ok(Math.abs(weights.reduce((a, b) => a + b) - 30 / 7) < 1e-9, weights.join());
    assert.ok(weights.every((weight) => weight > 0 && weight <= 1));
    const weighted = servers(10).map((server, i) => i < 5 ? { ...server, weight: 8 } : server);
    const other = peerSlice(weighted, 3, { index: 3, of: 7 });
    other.forEach(({ weight }, i) => assert.ok(Math.abs(weight! / (8 * weights[i]!) - 1) < 1e-9));
    for (const { weight } of peerSlice(servers(10), 5, { index: 1, of: 2 })) assert.equal(weight, undefined);
  });

  it("changes little when a server or a client comes or goes", () => {
    fc.assert(
      fc.property(fc.nat(199), fc.nat(998), (gone, index) => {
        const all = servers(200), before = new Set(addressesOf(peerSlice(all, 20, { index, of: 1_000 })));
        const added = (slice: readonly Endpoint[]) => slice.filter(({ address }) => !before.has(address)).length;
        assert.ok(added(peerSlice(all.filter((_, i) => i !== gone), 20, { index, of: 1_000 })) <= 3);
        assert.ok(added(peerSlice(all, 20, { index, of: 999 })) <= 1);
      }),
      { numRuns: 50 },
    );
  });

  it("covers every server, whatever the numbers", () => {
    const small = fc.integer({ min: 1, max: 30 });
    fc.assert(fc.property(small, small, small, (count, size, of) => {
      const all = loads(servers(count), size, of), mean = of / count;
      for (const load of all) assert.ok(Math.abs(load / mean - 1) < 1e-9, `${load} instead of ${mean}`);
    }));
  });
});

/** A resolver under test, and what it has yielded. */
function watched(t: TestContext, options: Partial<PeerSubsetOptions> = {}, given?: Resolver) {
  const inner = manualResolver(), peers = manualResolver(), clock = new ManualClock();
  const resolver = peerSubset({ size: 3, peers, self, clock, random: mulberry32(1), ...options }, given ?? inner);
  const seen: Resolution[] = [], abort = new AbortController();
  t.after(() => abort.abort());
  const ended = (async () => {
    for await (const resolution of resolver.resolve(abort.signal)) seen.push(resolution);
  })();
  ended.catch(() => {});
  const tell = async (to: ManualResolver, endpoints: readonly Endpoint[] | undefined, rest: object = {}) => {
    to.tell({ endpoints, ...rest });
    await clock.advance(100);
  };
  return { inner, peers, clock, resolver, seen, abort, ended, tell };
}

describe("peerSubset", () => {
  it("may yield one server a client", async (t) => {
    const { inner, peers, seen, tell } = watched(t, { size: 1 });
    await tell(inner, servers(4));
    await tell(peers, clients(4));
    assert.deepEqual(seen.map(({ endpoints }) => endpoints!.length), [1]);
  });

  it("yields a slice of the servers, again when servers or clients change", async (t) => {
    const { inner, peers, seen, tell } = watched(t);
    await tell(inner, servers(12));
    assert.equal(seen.length, 0, "the peers are not known yet");
    await tell(peers, clients(4));
    assert.deepEqual(seen.map(({ endpoints }) => endpoints!.length), [3]);
    await tell(peers, clients(2));
    assert.deepEqual(seen.map(({ endpoints }) => endpoints!.length), [3, 6]);
    await tell(inner, servers(10));
    assert.deepEqual(seen.map(({ endpoints }) => endpoints!.length), [3, 6, 5]);
  });

  it("covers all servers with the slices of all clients, also of one that is not registered yet", async () => {
    for (const registered of [clients(4), clients(4).slice(1)]) {
      const covered = new Set<string>();
      for (const { address } of clients(4)) {
        const resolver = peerSubset(
          { size: 3, peers: staticResolver(registered), self: address },
          staticResolver(servers(12)),
        );
        const { endpoints } = await resolver.list!(AbortSignal.timeout(10_000));
        assert.ok(endpoints!.length >= 3 && endpoints!.length <= 4);
        for (const endpoint of endpoints!) covered.add(endpoint.address);
      }
      assert.equal(covered.size, 12);
    }
  });

  it("has a random part until the peers are known, if that takes long", async (t) => {
    const { inner, peers, clock, seen, tell } = watched(t);
    await tell(inner, servers(12));
    await clock.advance(2_000);
    assert.equal(seen.length, 1);
    assert.equal(seen[0]!.endpoints!.length, 3);
    await tell(inner, servers(11));
    const [first, second] = seen.map(({ endpoints }) => addressesOf(endpoints)!) as [string[], string[]];
    assert.ok(second.filter((address) => !first.includes(address)).length <= 1, "it is stable");
    await tell(peers, clients(11));
    assert.deepEqual(addressesOf(seen.at(-1)!.endpoints), addressesOf(peerSlice(servers(11), 3, { index: 0, of: 11 })));
  });

  it("has a random part while the peers can't be known, and the last one once they were", async (t) => {
    const { inner, peers, clock, seen, tell } = watched(t);
    await tell(inner, servers(12));
    peers.fail(new Error("unreachable"));
    await clock.advance(100);
    assert.equal(seen.at(-1)!.endpoints!.length, 3);
    await clock.advance(60_000);
    await tell(peers, clients(2));
    assert.equal(seen.at(-1)!.endpoints!.length, 6);
    await tell(peers, undefined, { stale: { sinceMs: 0, cause: new Error("unreachable") } });
    await tell(inner, servers(10));
    assert.equal(seen.at(-1)!.endpoints!.length, 5);
  });

  it("passes on that the servers can't be resolved, and everything else", async (t) => {
    const { inner, peers, seen, tell, ended } = watched(t);
    await tell(peers, clients(4));
    const stale = { sinceMs: 0, cause: new Error("unreachable") }, config = { methods: {} };
    await tell(inner, undefined, { stale });
    assert.deepEqual(seen, [{ endpoints: undefined, stale }]);
    await tell(inner, servers(2), { stale, config });
    assert.deepEqual(seen[1], { endpoints: servers(2), stale, config });
    inner.fail(new Error("no more"));
    await assert.rejects(ended, /no more/);
  });

  it("leaves what is invalid to its reader, and counts it for nothing", async (t) => {
    const { inner, peers, seen, tell } = watched(t);
    await tell(peers, clients(4));
    const broken = [null, 7, { address: 7 }, { address: "nowhere" }] as never[];
    await tell(inner, [...broken, ...servers(12)]);
    assert.equal(seen[0]!.endpoints!.length, 3 + broken.length);
    for (const one of broken) assert.ok(seen[0]!.endpoints!.includes(one));
    await tell(inner, "endpoints" as never);
    assert.equal(seen.at(-1)!.endpoints as unknown, "endpoints");
  });

  it("ends everything that it began", async (t) => {
    const { abort, clock, ended } = watched(t);
    await settled();
    abort.abort(new Error("enough"));
    await ended;
    await settled();
    assert.deepEqual(clock.pending, []);
  });

  it("yields the same part for the same servers and peers, and judges each server once", async (t) => {
    const { inner, peers, seen, tell } = watched(t);
    let looks = 0;
    const counted = (address: string) => ({
      get address() {
        looks++;
        return address;
      },
    });
    const valid = counted("10.0.1.1:80"), invalid = counted("nowhere"), all = [...servers(12), valid, invalid];
    await tell(peers, clients(4));
    await tell(inner, all);
    const after = looks;
    await tell(peers, clients(4));
    await tell(inner, all, { stale: { sinceMs: 0, cause: new Error("unreachable") } });
    assert.ok(seen.length >= 2);
    for (const { endpoints } of seen) assert.equal(endpoints, seen[0]!.endpoints);
    assert.equal(looks, after);
    await tell(peers, []);
    await tell(inner, [valid, invalid]);
    assert.equal(looks, after, "these are known");
    assert.deepEqual(seen.at(-1)!.endpoints, [valid, invalid]);
  });

  it("yields all servers as they come if they are no more than its size", async (t) => {
    const { inner, peers, clock, seen, tell } = watched(t), all = servers(3).reverse();
    await tell(inner, all);
    await clock.advance(2_000);
    await tell(peers, clients(4));
    for (const { endpoints } of seen) assert.deepEqual(endpoints, all);
    assert.ok(seen.length > 0);
  });

  it("waits for no peers when the servers' resolver ends, and yields nothing twice then", async (t) => {
    for (const known of [false, true]) {
      let end = () => {};
      const given: Resolver = {
        async *resolve() {
          yield { endpoints: servers(2) };
          await new Promise<void>((resolve) => end = resolve);
        },
      };
      const { peers, seen, ended, tell } = watched(t, {}, given);
      if (known) await tell(peers, clients(4));
      await settled();
      assert.equal(seen.length, Number(known));
      end();
      await ended;
      assert.deepEqual(seen, [{ endpoints: servers(2) }]);
    }
  });

  it("ends what it reads when nobody reads it any more, and leaves no listeners", async () => {
    const clock = new ManualClock(), abort = new AbortController(), listeners = countListeners(abort.signal);
    const signals: AbortSignal[] = [];
    const reading = (endpoints: readonly Endpoint[]): Resolver => ({
      async *resolve(signal) {
        signals.push(signal);
        yield { endpoints };
        await new Promise(() => {});
      },
      list: () => Promise.resolve({ endpoints }),
    });
    const resolver = peerSubset({ size: 3, peers: reading(clients(2)), self, clock }, reading(servers(10)));
    for await (const { endpoints } of resolver.resolve(abort.signal)) {
      assert.equal(endpoints!.length, 5);
      break;
    }
    assert.deepEqual([signals.length, signals.every(({ aborted }) => aborted), listeners()], [2, true, 0]);
    await resolver.list!(abort.signal);
    assert.deepEqual([listeners(), clock.pending], [0, []]);
  });

  it("begins nothing that goes on when it is to end already", async () => {
    const clock = new ManualClock(), inner = manualResolver();
    const resolver = peerSubset({ size: 3, peers: manualResolver(), self, clock }, inner);
    const seen: Resolution[] = [];
    const ended = (async () => {
      for await (const resolution of resolver.resolve(AbortSignal.abort(new Error("enough")))) seen.push(resolution);
    })();
    await settled();
    // It is not kept by the time that peers have.
    assert.deepEqual(clock.pending, []);
    await ended;
    assert.deepEqual(seen, []);
  });

  it("waits for no list of the peers when its own list is given up", async () => {
    const clock = new ManualClock(), abort = new AbortController();
    let given: AbortSignal | undefined;
    const peers: Resolver = { ...staticResolver([]), list: (signal) => (given = signal, new Promise(() => {})) };
    const resolver = peerSubset({ size: 3, peers, self, clock, random: mulberry32(1) }, staticResolver(servers(10)));
    const listed = resolver.list!(abort.signal);
    await settled();
    assert.deepEqual(clock.pending, [2_000]);
    abort.abort(new Error("enough"));
    await settled();
    assert.deepEqual([clock.pending, given!.aborted], [[], true]);
    assert.equal((await listed).endpoints!.length, 3);
  });

  it("is listed for transports that don't watch, also while the peers can't be", async () => {
    let list = (): Promise<Resolution> => Promise.resolve({ endpoints: clients(2) });
    const clock = new ManualClock(), peers: Resolver = { ...staticResolver([]), list: () => list() };
    const resolver = peerSubset({ size: 3, peers, self, clock }, staticResolver(servers(10)));
    const signal = AbortSignal.timeout(30_000);
    assert.equal((await resolver.list!(signal)).endpoints!.length, 5);
    list = () => Promise.reject(new Error("unreachable"));
    assert.equal((await resolver.list!(signal)).endpoints!.length, 5);
    list = () => new Promise(() => {});
    const listed = resolver.list!(signal);
    await clock.advance(2_000);
    assert.equal((await listed).endpoints!.length, 5);
    assert.deepEqual(clock.pending, []);
    const transport = createPullTransport({ resolver, connector: fakeConnector({ stateless: true }).connector });
    await transport.close();
  });

  it("can't be listed if either can't", () => {
    const { list: _, ...unlisted } = staticResolver(servers(10)), listed = staticResolver(servers(10));
    assert.equal(peerSubset({ size: 3, peers: unlisted, self }, listed).list, undefined);
    assert.equal(peerSubset({ size: 3, peers: listed, self }, unlisted).list, undefined);
  });

  it("has the target of its resolver, and refreshes it", () => {
    let refreshed = 0;
    const inner: Resolver = {
      ...staticResolver(["a:1"]),
      target: "simple_grpc",
      scheme: "etcd",
      refresh: () => void refreshed++,
    };
    const resolver = peerSubset({ size: 3, peers: staticResolver([]), self }, inner);
    resolver.refresh!();
    assert.deepEqual([resolver.target, resolver.scheme, refreshed], ["simple_grpc", "etcd", 1]);
    const bare = peerSubset({ size: 3, peers: staticResolver([]), self }, { resolve: inner.resolve });
    assert.deepEqual(Object.keys(bare), ["resolve"]);
  });

  it("says which option is wrong", () => {
    const peers = staticResolver([]);
    assert.throws(
      () => peerSubset({ size: 3, self } as never, peers),
      /^TypeError: option peers is undefined: expected a resolver/,
    );
    assert.throws(
      () => peerSubset({ size: 3, peers } as never, peers),
      /^TypeError: option self is undefined: expected non-empty text/,
    );
    assert.throws(() => peerSubset({ size: 0, peers, self }, peers), /^RangeError: option size is 0/);
    assert.throws(
      () => peerSubset({ size: 3, peers, self }, "x" as never),
      /^TypeError: option resolver is "x": expected a resolver/,
    );
  });
});
