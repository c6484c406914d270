import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Resolution } from "../../src/resolver/resolver.ts";
import { failureOf } from "../support/balanced.ts";
import { settled } from "../support/manual-clock.ts";
import { type Pulled, pulled } from "../support/pulled.ts";

/** A registry that answers each list with what `answer` returns or throws. */
function answering(answer: () => Resolution) {
  const listedAt: number[] = [];
  const clock = { now: () => 0 };
  return {
    listedAt,
    clock,
    resolver: {
      target: "simple",
      async list() {
        listedAt.push(clock.now());
        return await Promise.resolve(answer());
      },
    },
  };
}

describe("a set that is read when a call needs it", () => {
  it("is used when it is stale, and read again after a backoff", async () => {
    const stale = { sinceMs: 0, cause: new Error("etcd is away") };
    const registry = answering(() => ({ endpoints: [{ address: "a:1" }], stale }));
    const { client, clock, transport } = pulled({ resolver: registry.resolver, maxAgeMs: 60_000 });
    registry.clock.now = () => clock.now();
    await client.route({ data: "x" });
    await clock.advance(500);
    await client.route({ data: "x" });
    assert.deepEqual(registry.listedAt, [0]);
    await clock.advance(1_500);
    await client.route({ data: "x" });
    assert.deepEqual(registry.listedAt, [0, 2_000]);
    await transport.close();
  });

  it("is forgotten after a time without calls, however old it may be", async () => {
    const registry = answering(() => ({ endpoints: [{ address: "a:1" }] }));
    const { client, clock, transport } = pulled({
      resolver: registry.resolver,
      maxAgeMs: 3_600_000,
      idleTimeoutMs: 10_000,
    });
    registry.clock.now = () => clock.now();
    for (const [waitMs, lists] of [[0, 1], [10_000, 1], [10_001, 2]] as const) {
      await clock.advance(waitMs);
      await client.route({ data: "x" });
      assert.equal(registry.listedAt.length, lists, `after ${waitMs} ms`);
    }
    await transport.close();
  });

  it("could not be read: calls say what was thrown, also when that is no error", async () => {
    const registry = answering(() => {
      throw "no such service";
    });
    const { client, clock, transport } = pulled({ resolver: registry.resolver });
    const failed = failureOf(client.route({}));
    await clock.advance(60_000);
    assert.match(String(await failed), /no such service/);
    await transport.close();
  });

  it("has health checks that learn what calls get", async () => {
    const outcomes: string[] = [];
    const { client, transport } = pulled({
      addresses: ["a:1"],
      health: [() => ({ outcome: ({ endpoint }, { end }) => void outcomes.push(`${endpoint.address} ${end}`) })],
    });
    await client.route({ data: "x" });
    assert.deepEqual(outcomes, ["a:1 answered"]);
    await transport.close();
  });

  it("is looked for by a call that waits after 20 ms, and then after longer and longer, up to 320 ms", async () => {
    const { client, clock, transport } = pulled();
    void failureOf(client.route({}));
    const pauses: number[] = [];
    for (let look = 0; look < 7; look++) {
      await settled();
      const nextMs = clock.pending[0] as number;
      pauses.push(nextMs);
      await clock.advance(nextMs);
    }
    assert.deepEqual(pauses, [20, 40, 80, 160, 320, 320, 320]);
    await transport.close();
  });

  it("is read at its time for a call that waits longer than a minute", async () => {
    const { client, clock, transport, lists } = pulled({ waitTimeoutMs: Infinity });
    const call = client.route({ data: "x" });
    await clock.advance(90_000);
    assert.equal(transport.snapshot().waiting, 1);
    lists.at(-1)!.answer("a:1");
    await clock.advance(320);
    await call;
    await transport.close();
  });
});

describe("a call over links that are opened", () => {
  it("waits for a server that is up and busy, however long", async () => {
    const { client, clock, links, transport } = pulled({
      addresses: ["a:1"],
      links: { stateless: false, auto: true },
      waitTimeoutMs: 1_000,
    });
    await client.route({ data: "x" });
    const link = links.get("a:1")!;
    link.room = 0;
    const call = client.route({ data: "x" });
    await clock.advance(60_000);
    link.room = 1;
    link.events.room!();
    await call;
    await transport.close();
  });
});

describe("a call whose request was cut while it waited", () => {
  /** A transport at which a call waits without timers, as if its request had ended. */
  async function cut(before: (all: Pulled) => void = () => {}) {
    const all = pulled({ waitTimeoutMs: Infinity });
    before(all);
    await settled();
    const { client, clock, transport } = all;
    const { timer } = clock;
    clock.timer = () => ({ cancel() {} });
    void failureOf(client.route({}));
    await settled();
    clock.timer = timer;
    return { ...all, waiting: () => transport.snapshot().waiting };
  }

  it("is forgotten by the next one after a minute, and not before", async () => {
    for (const [afterMs, waiting] of [[59_999, 2], [60_000, 1]] as const) {
      const all = await cut();
      await all.clock.advance(afterMs);
      void failureOf(all.client.route({}));
      await settled();
      assert.equal(all.waiting(), waiting);
      await all.transport.close();
    }
  });

  it("is forgotten by one that has waited longer than it", async () => {
    const all = await cut(({ client }) => void failureOf(client.route({})));
    await all.clock.advance(59_000);
    assert.equal(all.waiting(), 2);
    await all.clock.advance(2_000);
    assert.equal(all.waiting(), 1);
    await all.transport.close();
  });
});
