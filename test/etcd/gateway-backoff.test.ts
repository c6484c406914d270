// What loops of a registry over fetch do together while etcd can't be reached, on a clock that the test turns.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createGatewayRegistry, type RegistryEvent } from "../../src/etcd-gateway.ts";
import { createMemoryEtcd } from "../../src/memory-etcd/memory-etcd.ts";
import { sleep } from "../../src/time/backoff.ts";
import { mulberry32 } from "../support/fake-connections.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { memoryGateway } from "./memory-gateway.ts";
import { consume, type Consumer } from "./scripted.ts";

const SERVICES = ["a", "b", "c", "d", "e", "f", "g", "h"];
/** gRPC's connection backoff with the drivers' maximum, and its jitter. */
const LONGEST_MS = 1_600 * 1.2;

/** How an etcd is away: it refuses connections, says nothing, or something else answers in its place. */
type Away = "refuses" | "says nothing" | "has a proxy";

function setUp(seed: number, hosts = ["e1"]) {
  const clock = new ManualClock(), random = mulberry32(seed), etcd = createMemoryEtcd({ clock, random });
  const gateway = memoryGateway(etcd.transport());
  const away = new Map<string, Away>(), fetches = new Map<string, number[]>();
  let ended = new AbortController();
  const events: RegistryEvent[] = [];
  const registry = createGatewayRegistry({
    endpoints: hosts.map((host) => `http://${host}:1`),
    clock,
    random,
    onEvent: (event) => events.push(event),
    async fetch(url, init) {
      const { hostname } = new URL(url);
      fetches.set(hostname, [...fetches.get(hostname) ?? [], clock.now()]);
      const signal = AbortSignal.any([init.signal!, ended.signal]);
      await sleep(clock, 1, undefined);
      switch (away.get(hostname)) {
        case "refuses":
          throw new TypeError("fetch failed", { cause: Object.assign(new Error("refused"), { code: "ECONNREFUSED" }) });
        case "says nothing":
          await new Promise((_, reject) => init.signal!.addEventListener("abort", () => reject(new Error("aborted"))));
          break;
        case "has a proxy":
          return new Response("<html>", { status: 502 });
      }
      return await gateway(url, { ...init, signal });
    },
  });
  return {
    registry,
    clock,
    fetches,
    away,
    events,
    /** All requests in flight end, and new ones find all endpoints away. */
    lose(how: Away) {
      for (const host of hosts) away.set(host, how);
      fetches.clear();
      ended.abort(new Error("ECONNRESET"));
      ended = new AbortController();
    },
    count: (host = "e1") => fetches.get(host)?.length ?? 0,
    watch: () => SERVICES.map((service) => consume(registry.resolver(service))),
    register: (ttlSeconds: number) => {
      return SERVICES.map((service) => registry.register({ service, address: "10.0.0.5:8000", ttlSeconds }));
    },
    async close() {
      const closed = registry.close();
      await clock.advance(3_000);
      await closed;
      await etcd.close();
    },
  };
}

const isFresh = ({ now, stale }: Consumer) => now?.length === 1 && stale === undefined;

describe("8 watches and 8 registrations over fetch", () => {
  for (const how of ["refuses", "has a proxy"] as const) {
    it(`ask an etcd that ${how} as one, and are all back soon after it is`, async () => {
      const { clock, away, lose, count, fetches, watch, register, close } = setUp(1);
      const registrations = register(600), consumers = watch();
      await clock.advance(15_000);
      assert.ok(consumers.every(isFresh));
      lose(how);
      await clock.advance(30_000);
      assert.ok(consumers.every(({ stale }) => stale !== undefined));
      const asked = fetches.get("e1")!;
      assert.ok(asked.length > 30_000 / LONGEST_MS && asked.length < 25, `${asked.length} requests in 30 s`);
      const delays = asked.slice(1).map((atMs, index) => atMs - asked[index]!);
      assert.ok(delays.every((ms, index) => ms >= (index === 0 ? 800 : 1_280)), delays.join(" "));

      const before = count();
      away.clear();
      await clock.advance(LONGEST_MS + 2_000);
      assert.ok(consumers.every(isFresh), consumers.map(({ stale }) => stale).join());
      assert.deepEqual(registrations.map(({ state }) => state), SERVICES.map(() => "registered"));
      assert.ok(count() - before < 60, `${count() - before} requests after its return`);
      await close();
    });
  }

  it("ask an etcd that says nothing about once a second, and are all back soon after it is", async () => {
    const { clock, away, lose, count, watch, register, close } = setUp(2);
    const registrations = register(600), consumers = watch();
    await clock.advance(15_000);
    lose("says nothing");
    await clock.advance(10_000);
    assert.ok(count() >= 5 && count() <= 13, `${count()} requests in 10 s`);
    away.clear();
    await clock.advance(4_000);
    assert.ok(consumers.every(isFresh), consumers.map(({ stale }) => stale).join());
    assert.deepEqual(registrations.map(({ state }) => state), SERVICES.map(() => "registered"));
    await close();
  });

  it("begin with one request, and the rest right after its answer", async () => {
    const { clock, count, register, watch, close } = setUp(3);
    const registrations = register(600), consumers = watch();
    await clock.advance(0);
    assert.equal(count(), 1);
    await clock.advance(100);
    assert.deepEqual(registrations.map(({ state }) => state), SERVICES.map(() => "registered"));
    assert.ok(consumers.every(isFresh));
    await close();
  });

  it("go to another endpoint at once, and ask the first one as one meanwhile", async () => {
    const { clock, away, fetches, lose, watch, register, close } = setUp(4, ["e1", "e2"]);
    const registrations = register(600), consumers = watch();
    await clock.advance(15_000);
    const [first] = [...fetches.keys()];
    lose("refuses");
    for (const host of ["e1", "e2"]) if (host !== first) away.delete(host);
    await clock.advance(2_000);
    assert.ok(consumers.every(isFresh), "the other endpoint was not waited for");
    await clock.advance(60_000);
    const asked = fetches.get(first!)?.length ?? 0;
    assert.ok(asked < 10, `${asked} requests to ${first}`);
    assert.deepEqual(registrations.map(({ state }) => state), SERVICES.map(() => "registered"));
    await close();
  });

  it("hear of the one request's failure", async () => {
    const { clock, events, lose, watch, register, close } = setUp(5);
    register(600);
    watch();
    lose("refuses");
    await clock.advance(10_000);
    const failed = events.flatMap((event) => event.type === "registration-failed" ? [String(event.cause)] : []);
    assert.ok(failed.length > SERVICES.length);
    assert.ok(failed.every((text) => text.includes("refused")), failed.join("\n"));
    await close();
  });
});

describe("a registration over fetch whose lease is about to expire", () => {
  it("waits for nobody, but asks at its own pace", async () => {
    const { clock, away, lose, fetches, register, watch, close } = setUp(6);
    const [registration] = register(3), [consumer] = watch();
    await clock.advance(15_300);
    lose("refuses");
    const sinceMs = clock.now();
    await clock.advance(3_000);
    const asked = fetches.get("e1")!.map((atMs) => atMs - sinceMs);
    assert.ok(asked.length > 4, `requests after ${asked.join(" ")} ms`);
    away.clear();
    await clock.advance(4_000);
    assert.deepEqual([registration!.state, consumer!.now], ["registered", ["10.0.0.5:8000"]]);
    await close();
  });
});
