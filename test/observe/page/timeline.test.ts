import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { BalancerEvent } from "../../../src/index.ts";
import { observe, type PageState } from "../../../src/page.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { endpoint, FakeTransport } from "./fakes.ts";

const refused = new Error("connection refused");

/** A transport that says what happens. */
class SubscribedTransport extends FakeTransport {
  readonly listeners = new Set<(event: BalancerEvent) => void>();

  subscribe(listener: (event: BalancerEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  fail(address: string): void {
    this.change(address, { state: "transient_failure", lastError: refused });
    for (const listener of this.listeners) {
      listener({
        type: "connection-state",
        target: this.target,
        endpoint: { address },
        from: "ready",
        to: "transient_failure",
        cause: refused,
      });
    }
  }
}

function setUp(given: { clock?: ManualClock; transports?: Iterable<FakeTransport> } = {}) {
  const { clock = new ManualClock() } = given, transport = new FakeTransport(clock);
  const page = observe({ transports: given.transports ?? [transport], clock });
  const events = async () => {
    const response = page.handler(new Request("http://localhost/snapshot"));
    const { events } = await response.json() as PageState;
    return Object.values(events).map(({ subject, text, times }) => [subject, text, times]);
  };
  /** The next look. */
  const look = async () => {
    await clock.advance(500);
    return await events();
  };
  return { clock, transport, page, events, look };
}

describe("the page's list of events", () => {
  it("says what changed between two looks", async () => {
    const { transport, look } = setUp();
    assert.deepEqual(await look(), []);
    transport.change("10.0.0.1:8000", { state: "transient_failure", available: false, lastError: refused });
    assert.deepEqual(await look(), [["10.0.0.1:8000", "failing: connection refused", 1]]);
    transport.change("10.0.0.1:8000", { state: "ready", available: true, lastError: undefined });
    transport.change("10.0.0.2:8000", {
      available: false,
      health: new Error("x"),
      ejected: { forMs: 29_500, why: "5 calls in a row failed" },
    });
    transport.endpoints = [...transport.endpoints!, endpoint("10.0.0.3:8000")];
    transport.stale = { sinceMs: 0, cause: new Error("no etcd") };
    assert.deepEqual((await look()).slice(1), [
      ["", "the source of endpoints can't be reached: no etcd", 1],
      ["10.0.0.1:8000", "connected", 1],
      ["10.0.0.2:8000", "ejected for 30 s: 5 calls in a row failed", 1],
      ["10.0.0.3:8000", "joined", 1],
    ]);
    transport.endpoints = transport.endpoints!.slice(1);
    transport.stale = undefined;
    assert.deepEqual((await look()).slice(5), [
      ["", "the source of endpoints can be reached again", 1],
      ["10.0.0.1:8000", "left", 1],
    ]);
  });

  it("says nothing of a health that is unknown because the endpoint is not connected", async () => {
    const { transport, look } = setUp();
    await look();
    const gone = { state: "idle", available: false, health: "unknown" } as const;
    transport.change("10.0.0.1:8000", gone);
    assert.deepEqual(await look(), []);
    transport.change("10.0.0.1:8000", { state: "ready", available: true, health: "serving" });
    assert.deepEqual(await look(), [["10.0.0.1:8000", "connected", 1]]);
    transport.change("10.0.0.1:8000", { available: false, health: new Error("NOT_SERVING") });
    transport.change("10.0.0.2:8000", { available: false, health: "unknown" });
    transport.endpoints = [...transport.endpoints!];
    assert.deepEqual((await look()).slice(1), [
      ["10.0.0.1:8000", "held back: NOT_SERVING", 1],
      ["10.0.0.2:8000", "health is not known yet", 1],
    ]);
    transport.change("10.0.0.1:8000", gone);
    transport.change("10.0.0.2:8000", { available: true, health: "serving" });
    assert.deepEqual((await look()).slice(3), [["10.0.0.2:8000", "healthy", 1]]);
  });

  it("leaves out what changed while nobody looked: nobody knows when", async () => {
    const { clock, transport, events } = setUp();
    await events();
    transport.change("10.0.0.1:8000", { state: "transient_failure" });
    await clock.advance(60_000);
    assert.deepEqual(await events(), []);
  });

  it("takes events of transports that it can subscribe to, and doesn't say them twice", async () => {
    const clock = new ManualClock(), transport = new SubscribedTransport(clock), transports = new Set([transport]);
    const { page, look, events } = setUp({ clock, transports });
    transport.fail("10.0.0.1:8000");
    await clock.advance(60_000);
    const first = ["10.0.0.1:8000", "failing: connection refused", 1];
    assert.deepEqual(await events(), [first]);
    transport.fail("10.0.0.2:8000");
    const second = ["10.0.0.2:8000", "failing: connection refused", 1];
    assert.deepEqual(await look(), [first, second]);
    page.onEvent({ type: "set-stale", service: "simple_grpc", cause: new Error("etcd is away") });
    assert.deepEqual(await look(), [first, second, ["", "the registry can't be reached: etcd is away", 1]]);

    const late = new SubscribedTransport(clock);
    transports.add(late);
    transports.delete(transport);
    await look();
    assert.deepEqual([transport.listeners.size, late.listeners.size], [0, 1]);
    page.close();
    assert.equal(late.listeners.size, 0);
  });

  it("still compares transports without events if a registry's events of the same name come", async () => {
    const { transport, page, look } = setUp();
    await look();
    page.onEvent({ type: "set-fresh", service: "simple_grpc", endpoints: 2 });
    transport.change("10.0.0.1:8000", { state: "transient_failure", lastError: refused });
    assert.deepEqual((await look()).at(-1), ["10.0.0.1:8000", "failing: connection refused", 1]);
  });

  it("counts what repeats, and keeps the last 200", async () => {
    const { page, look } = setUp();
    const skipped = (key: string, text: string) =>
      page.onEvent({ type: "value-skipped", service: "simple_grpc", key, cause: new Error(text) });
    for (let i = 0; i < 5; i++) skipped("/a", "no JSON");
    assert.deepEqual(await look(), [["/a", "the entry can't be read: no JSON", 5]]);
    for (let i = 0; i < 1_000; i++) skipped(`/b/${i + 1}`, "no JSON");
    const events = await look();
    assert.equal(events.length, 200);
    assert.equal(events.at(-1)![0], "/b/1000");
  });
});
