import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PolicyEnvironment } from "../../src/policy/policy.ts";
import { roundRobin } from "../../src/policy/round-robin.ts";
import { markHopeless } from "../../src/resolver/hopeless.ts";
import { balanced, failureOf } from "../support/balanced.ts";
import { settled } from "../support/manual-clock.ts";
import { manualResolver } from "../support/manual-resolver.ts";

describe("a balancer", () => {
  it("says in events how connections change, and why when something failed", async () => {
    const { clock, events, links, transport } = balanced({ links: { auto: false }, idleTimeoutMs: Infinity });
    void transport.connect().catch(() => {});
    await clock.advance(20);
    links.get("a:1")!.ready();
    const refused = new Error("refused");
    links.get("b:1")!.refuse(refused);
    await settled();
    const seen = events.flatMap((event) => {
      if (event.type !== "connection-state" || event.endpoint.address === "c:1") return [];
      return [[event.endpoint.address, event.from, event.to, "cause" in event, event.cause]];
    });
    assert.deepEqual(seen, [
      ["a:1", "idle", "connecting", false, undefined],
      ["b:1", "idle", "connecting", false, undefined],
      ["a:1", "connecting", "ready", false, undefined],
      ["b:1", "connecting", "transient_failure", true, refused],
    ]);
    await transport.close();
  });

  it("says in events what health checks found, and why when a server fails", async () => {
    const sick = new Error("not serving");
    const { clock, events, transport } = balanced({
      health: [(env) => ({
        ready: (connection) => env.report(connection, connection.endpoint.address === "a:1" ? sick : "unknown"),
      })],
    });
    void transport.connect().catch(() => {});
    await clock.advance(40);
    const seen = events.flatMap((event) => {
      if (event.type !== "connection-health" || event.endpoint.address === "c:1") return [];
      return [[event.endpoint.address, event.health, "cause" in event, event.cause]];
    });
    assert.deepEqual(seen, [["a:1", "failing", true, sick], ["b:1", "unknown", false, undefined]]);
    await transport.close();
  });

  it("goes on with the endpoints it knows when its resolver can't work any more", async () => {
    const resolver = manualResolver();
    const { client, clock, transport } = balanced({ resolver });
    void transport.connect().catch(() => {});
    resolver.tell({ endpoints: [{ address: "a:1" }] });
    await clock.advance(40);
    const cause = markHopeless(new Error("no such service"));
    resolver.tell({ endpoints: undefined, stale: { sinceMs: 0, cause } });
    await clock.advance(40);
    assert.equal(transport.snapshot().stale?.cause, cause);
    assert.equal((await client.route({ data: "x" })).value, "a:1: hello x");
    await transport.close();
  });

  it("asks its resolver to look again when a connection failed, and not when one changes otherwise", async () => {
    let refreshes = 0;
    const resolver = manualResolver();
    const { clock, links, transport } = balanced({
      resolver: { ...resolver, refresh: () => void refreshes++ },
      links: { auto: false },
    });
    void transport.connect().catch(() => {});
    resolver.tell({ endpoints: [{ address: "a:1" }] });
    await clock.advance(40);
    links.get("a:1")!.ready();
    await clock.advance(40);
    assert.equal(refreshes, 0);
    links.get("a:1")!.events.lost(new Error("reset"));
    await clock.advance(40);
    assert.equal(refreshes, 1);
    await transport.close();
  });

  it("is called the service where its resolver has no name for it", async () => {
    const { resolve } = manualResolver();
    const { client, clock, transport } = balanced({ resolver: { resolve } as never });
    const failed = failureOf(client.route({}));
    await clock.advance(60_000);
    assert.match(String(await failed), /the endpoints of the service are not known yet/);
    await transport.close();
  });

  it("builds no picker for a policy that asks before there are endpoints, so that calls wait for them", async () => {
    const resolver = manualResolver();
    let environment: PolicyEnvironment | undefined;
    let builds = 0;
    const inner = roundRobin();
    const { client, clock, transport } = balanced({
      resolver,
      idleTimeoutMs: 1_000,
      policy(connections, previous, env) {
        builds++;
        environment = env;
        return inner(connections, previous, env);
      },
    });
    resolver.tell({ endpoints: [{ address: "a:1" }] });
    const first = client.route({ data: "x" });
    await clock.advance(40);
    await first;
    const before = builds;
    environment!.update();
    await clock.advance(40);
    assert.equal(builds, before + 1);
    await clock.advance(5_000);
    const second = client.route({ data: "x" });
    const idle = builds;
    environment!.update();
    await clock.advance(40);
    assert.equal(builds, idle);
    resolver.tell({ endpoints: [{ address: "a:1" }] });
    await clock.advance(40);
    assert.equal((await second).code, 200);
    await transport.close();
  });

  it("stops its resolver after a time without calls, and not while one is in flight", async () => {
    const signals: AbortSignal[] = [];
    const { client, clock, transport } = balanced({
      idleTimeoutMs: 1_000,
      resolver: {
        target: "simple",
        async *resolve(signal) {
          signals.push(signal);
          yield { endpoints: [{ address: "a:1" }] };
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
        },
      },
      links: {
        transport: () => ({
          unary: (_, signal) =>
            new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason))),
          stream: () => new Promise(() => {}),
        }),
      },
    });
    const abort = new AbortController();
    const call = failureOf(client.route({}, { signal: abort.signal }));
    await clock.advance(5_000);
    assert.deepEqual(signals.map(({ aborted }) => aborted), [false]);
    abort.abort();
    await call;
    await clock.advance(2_000);
    assert.deepEqual(signals.map(({ aborted }) => aborted), [true]);
    await transport.close();
  });

  it("has no timer when it never stops", async () => {
    const { clock, ready, transport } = balanced({ idleTimeoutMs: Infinity });
    await ready();
    assert.deepEqual(clock.pending, []);
    await transport.close();
  });

  it("gives streams on removed endpoints the time that was asked for", async () => {
    for (const [given, timer] of [[5_000, 5_000], [undefined, 30_000]] as const) {
      const resolver = manualResolver();
      const { client, clock, links, transport } = balanced({
        resolver,
        ...given !== undefined && { removedStreamGraceMs: given },
        links: { transport: () => ({ unary: () => new Promise(() => {}), stream: () => new Promise(() => {}) }) },
      });
      resolver.tell({ endpoints: [{ address: "a:1" }] });
      const call = failureOf(client.route({}));
      await clock.advance(40);
      resolver.tell({ endpoints: [{ address: "b:1" }] });
      await clock.advance(40);
      await clock.advance(timer - 100);
      assert.deepEqual(links.get("a:1")!.closes, []);
      await clock.advance(200);
      assert.deepEqual(links.get("a:1")!.closes, [given === undefined ? [0, Infinity] : [25_000, 0]]);
      await transport.close();
      void call;
    }
  });
});
