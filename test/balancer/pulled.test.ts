import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Resolution } from "../../src/resolver/resolver.ts";
import { failureOf } from "../support/balanced.ts";
import { pulled } from "../support/pulled.ts";

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
});
