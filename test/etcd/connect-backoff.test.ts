// What loops of a registry that share a connection to etcd do while it can't be opened, on a clock that the test turns.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Connector } from "../../src/connection/link.ts";
import { createConnectDriver } from "../../src/etcd/driver/connect/connect-driver.ts";
import type { EtcdRegistry } from "../../src/etcd/etcd-registry.ts";
import { createRegistryOver } from "../../src/etcd/registry.ts";
import { createMemoryEtcd } from "../../src/memory-etcd/memory-etcd.ts";
import type { RegistryEvent } from "../../src/registry/event.ts";
import type { Registration } from "../../src/registry/registry.ts";
import { sleep } from "../../src/time/backoff.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { mulberry32 } from "../support/fake-connections.ts";
import { consume, type Consumer } from "./scripted.ts";

const SERVICES = ["a", "b", "c", "d", "e", "f", "g", "h"];
/** gRPC's connection backoff with the driver's maximum, and its jitter. */
const LONGEST_MS = 1_600 * 1.2;

interface Registered {
  readonly registry: EtcdRegistry;
  readonly clock: ManualClock;
  /** When the endpoints were dialled, by address. */
  readonly dials: Map<string, number[]>;
  /** Which endpoints can't be reached. */
  readonly away: Set<string>;
  /** The registry's events, and when each came. */
  readonly events: { readonly atMs: number; readonly event: RegistryEvent }[];
  /** Ends the open connections to an endpoint; no others can be opened. */
  lose(address: string): void;
  watch(): Consumer[];
  register(ttlSeconds: number): Registration[];
  close(): Promise<void>;
}

function setUp(seed: number, endpoints = ["e1:1"]): Registered {
  const clock = new ManualClock(), random = mulberry32(seed), etcd = createMemoryEtcd({ clock, random });
  const dials = new Map<string, number[]>(), away = new Set<string>();
  const losses = new Map<string, (cause: Error) => void>();
  const connector: Connector = ({ address }, { lost }) => {
    const own = new AbortController();
    let ended = new AbortController();
    losses.set(address, (cause) => {
      ended.abort(cause);
      lost(cause);
    });
    const until = (signal: AbortSignal | undefined) =>
      AbortSignal.any([signal ?? own.signal, own.signal, ended.signal]);
    const inner = etcd.transport();
    return {
      transport: {
        unary: (method, signal, ...rest) => inner.unary(method, until(signal), ...rest),
        stream: (method, signal, ...rest) => inner.stream(method, until(signal), ...rest),
      },
      async connect() {
        dials.set(address, [...dials.get(address) ?? [], clock.now()]);
        await sleep(clock, 1, undefined);
        if (away.has(address)) throw new Error(`connect ECONNREFUSED ${address}`);
        ended = new AbortController();
      },
      close: async () => own.abort(),
    };
  };
  const events: { readonly atMs: number; readonly event: RegistryEvent }[] = [];
  const registry = createRegistryOver(() => createConnectDriver(connector, { clock, random }), {
    endpoints,
    clock,
    random,
    onEvent: (event) => events.push({ atMs: clock.now(), event }),
  });
  return {
    registry,
    clock,
    dials,
    away,
    events,
    lose(address) {
      away.add(address);
      dials.set(address, []);
      losses.get(address)?.(new Error("the connection was lost"));
    },
    watch: () => SERVICES.map((service) => consume(registry.resolver(service))),
    register: (ttlSeconds) => {
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

describe("8 watches and 8 registrations on an etcd that refuses connections", () => {
  it("dial it as one, and all are back as soon as the next dial", async () => {
    const { clock, dials, away, lose, watch, register, close } = setUp(1);
    const registrations = register(600), consumers = watch();
    await clock.advance(15_000);
    assert.ok(consumers.every(isFresh));
    lose("e1:1");
    await clock.advance(30_000);
    assert.ok(consumers.every(({ stale }) => stale !== undefined));
    const made = dials.get("e1:1")!;
    assert.ok(made.length > 30_000 / LONGEST_MS && made.length < 25, `${made.length} dials in 30 s`);
    // At first at once, then after gRPC's delays, with a jitter of 0.2.
    const delays = made.slice(1).map((atMs, index) => atMs - made[index]!);
    assert.ok(made[0]! - 15_000 < 200, `the first after ${made[0]! - 15_000} ms`);
    assert.ok(delays.every((ms, index) => ms >= (index === 0 ? 800 : 1_280) && ms <= LONGEST_MS), delays.join(" "));

    away.delete("e1:1");
    await clock.advance(LONGEST_MS);
    assert.equal(dials.get("e1:1")!.length, made.length + 1);
    await clock.advance(2_000);
    assert.ok(consumers.every(isFresh), consumers.map(({ stale }) => stale).join());
    assert.deepEqual(registrations.map(({ state }) => state), SERVICES.map(() => "registered"));
    await close();
  });

  it("say that they try again when the connection may be opened", async () => {
    const { clock, dials, events, lose, watch, register, close } = setUp(7);
    lose("e1:1");
    register(600);
    watch();
    await clock.advance(10_000);
    const told = events.flatMap(({ atMs, event }) => "retryInMs" in event ? [{ atMs, ...event }] : []);
    assert.deepEqual(new Set(told.map(({ type }) => type)), new Set(["registration-failed", "watch-restarted"]));
    const all = dials.get("e1:1")!;
    for (const { type, atMs, retryInMs } of told) {
      const nextMs = all.find((dialMs) => dialMs > atMs) ?? 0;
      assert.ok(atMs + retryInMs >= nextMs, `${type} at ${atMs} said ${retryInMs} ms, and the dial was at ${nextMs}`);
    }
    await close();
  });

  it("go to another endpoint, and dial the first one as one meanwhile", async () => {
    const { clock, dials, lose, watch, register, close } = setUp(4, ["e1:1", "e2:1"]);
    const registrations = register(600), consumers = watch();
    await clock.advance(15_000);
    const [first] = [...dials.keys()];
    lose(first!);
    await clock.advance(2_000);
    assert.ok(consumers.every(isFresh), "the other endpoint was not waited for");
    await clock.advance(60_000);
    assert.ok(dials.get(first!)!.length < 10, `${dials.get(first!)!.length} dials of ${first}`);
    assert.deepEqual(registrations.map(({ state }) => state), SERVICES.map(() => "registered"));
    await close();
  });

  it("dial each of several endpoints as one, and find the first that is back", async () => {
    const { clock, dials, away, lose, watch, register, close } = setUp(5, ["e1:1", "e2:1", "e3:1"]);
    register(600);
    const consumers = watch();
    await clock.advance(15_000);
    for (const address of ["e1:1", "e2:1", "e3:1"]) lose(address);
    await clock.advance(30_000);
    for (const [address, made] of dials) assert.ok(made.length < 25, `${made.length} dials of ${address} in 30 s`);
    away.delete("e2:1");
    await clock.advance(2 * LONGEST_MS + 2_000);
    assert.ok(consumers.every(isFresh));
    await close();
  });
});

describe("a registration whose lease is about to expire", () => {
  it("waits for no backoff, but dials at its own pace", async () => {
    for (const seed of [1, 2]) {
      const { clock, dials, away, lose, register, watch, close } = setUp(seed);
      const [registration] = register(3);
      const [consumer] = watch();
      await clock.advance(15_000 + 300 * seed);
      lose("e1:1");
      const sinceMs = clock.now();
      await clock.advance(3_000);
      // A lease of 3 s that is renewed every second expires in 2 to 3 s.
      const made = dials.get("e1:1")!.filter((atMs) => atMs < sinceMs + 3_000);
      assert.ok(made.length > 4, `dials after ${made.map((atMs) => atMs - sinceMs).join(" ")} ms`);
      away.delete("e1:1");
      await clock.advance(4_000);
      assert.deepEqual([registration!.state, consumer!.now], ["registered", ["10.0.0.5:8000"]]);
      await close();
    }
  });
});

describe("what is asked of a registry once, while etcd is in backoff", () => {
  it("waits for the next dial, and fails with it", async () => {
    const { registry, clock, dials, lose, watch, close } = setUp(6);
    watch();
    await clock.advance(15_000);
    lose("e1:1");
    await clock.advance(20_000);
    const before = dials.get("e1:1")!.length;
    const listed = assert.rejects(registry.list(new AbortController().signal), /ECONNREFUSED/);
    await clock.advance(LONGEST_MS);
    await listed;
    assert.ok(dials.get("e1:1")!.length - before <= 2);
    await close();
  });

  it("ends at once when its signal aborts", async () => {
    const { registry, clock, lose, watch, close } = setUp(7);
    watch();
    await clock.advance(15_000);
    lose("e1:1");
    await clock.advance(20_000);
    const caller = new AbortController(), reason = new Error("left");
    const listed = assert.rejects(registry.list(caller.signal), (error) => error === reason);
    caller.abort(reason);
    await listed;
    await close();
  });
});
