import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EndpointConnection } from "../../src/connection/endpoint-connection.ts";
import { Pool } from "../../src/connection/pool.ts";
import { fakeConnector } from "../support/fake-links.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";

function setUp(options: { auto?: boolean; eager?: boolean } = {}) {
  const clock = new ManualClock();
  const { connector, links } = fakeConnector(options);
  const told: string[][] = [];
  const pool = new Pool({
    clock,
    random: () => 0.5,
    connector,
    onChange(connections) {
      told.push(connections.map(({ endpoint, state }) => `${endpoint.address} ${state}`));
      if (options.eager !== false) { for (const connection of connections) connection.connect(); }
    },
  });
  const set = (...addresses: string[]) => pool.update(addresses.map((address) => ({ address })));
  const at = (address: string): EndpointConnection => {
    const found = pool.connections.find(({ endpoint }) => endpoint.address === address);
    assert.ok(found, `${address} is in the pool`);
    return found;
  };
  return { clock, links, told, pool, set, at };
}

describe("Pool", () => {
  it("keeps connection and statistics of an endpoint that stays", async () => {
    const { clock, pool, set, at } = setUp({ auto: true });
    set("b:1", "a:1");
    await clock.advance(20);
    const kept = at("a:1");
    kept.begin();
    set("a:1", "c:1");
    await clock.advance(20);
    assert.equal(at("a:1"), kept);
    assert.equal(kept.picks, 1);
    assert.deepEqual(pool.connections.map(({ endpoint }) => endpoint.address), ["a:1", "c:1"]);
  });

  it("changes attributes in place", async () => {
    const { clock, pool, at } = setUp();
    pool.update([{ address: "a:1", weight: 1 }]);
    await clock.advance(20);
    const kept = at("a:1");
    pool.update([{ address: "a:1", weight: 5 }]);
    await clock.advance(20);
    assert.equal(at("a:1"), kept);
    assert.equal(kept.endpoint.weight, 5);
  });

  it("counts an endpoint once that stands twice in a set", async () => {
    const { clock, pool, set } = setUp();
    set("a:1", "a:1");
    await clock.advance(20);
    assert.equal(pool.connections.length, 1);
  });

  it("tells the first change at once, and those of the next 20 ms together", async () => {
    const { clock, told, set } = setUp({ eager: false });
    set("a:1");
    assert.equal(told.length, 1);
    for (let i = 0; i < 50; i++) set("a:1", `b:${i + 1}`);
    await clock.advance(19);
    assert.equal(told.length, 1);
    await clock.advance(1);
    assert.deepEqual(told.length, 2);
    assert.deepEqual(told[1], ["a:1 idle", "b:50 idle"]);
  });

  it("tells the first connection that becomes available at once", async () => {
    const { clock, told, set, links } = setUp();
    set("a:1", "b:1");
    await clock.advance(1);
    links.get("b:1")!.ready();
    await settled();
    assert.deepEqual(told.at(-1), ["a:1 connecting", "b:1 ready"]);
    assert.equal(clock.now(), 1);
  });

  it("has the new picker in use before an old connection is let go, and lets it finish its calls", async () => {
    const { clock, told, set, links, at } = setUp({ auto: true });
    set("a:1", "b:1");
    await clock.advance(40);
    const old = at("a:1");
    old.begin();
    set("b:1");
    assert.deepEqual(told.at(-1), ["b:1 ready"]);
    assert.equal(old.state, "shutdown");
    assert.equal(old.available, false);
    assert.equal(links.get("a:1")!.closed, false);
    old.end("answered", undefined);
    assert.equal(links.get("a:1")!.closed, true);
  });

  it("takes an endpoint back that returns while its connection drains", async () => {
    const { clock, set, links, at } = setUp({ auto: true });
    set("a:1", "b:1");
    await clock.advance(40);
    const old = at("a:1");
    old.begin();
    set("b:1");
    await clock.advance(40);
    set("a:1", "b:1");
    await clock.advance(40);
    assert.equal(at("a:1"), old);
    assert.equal(old.state, "ready");
    old.end("answered", undefined);
    assert.equal(links.get("a:1")!.closed, false);
    assert.equal(links.get("a:1")!.opened, 1);
  });

  it("keeps ready connections as the last resort when the set becomes empty, until they are lost", async () => {
    const { clock, pool, set, links } = setUp();
    set("a:1", "b:1");
    links.get("a:1")!.ready();
    await clock.advance(40);
    set();
    await clock.advance(40);
    assert.deepEqual(pool.connections.map(({ endpoint, state }) => `${endpoint.address} ${state}`), ["a:1 ready"]);
    assert.equal(links.get("b:1")!.closed, true);
    links.get("a:1")!.events.lost(new Error("gone"));
    await clock.advance(40);
    assert.deepEqual(pool.connections, []);
  });

  it("opens at most 64 connections at a time", async () => {
    const { clock, set, links } = setUp();
    set(...Array.from({ length: 70 }, (_, i) => `a:${i + 1}`));
    await clock.advance(40);
    const opened = () => [...links.values()].filter((link) => link.opened > 0);
    assert.equal(opened().length, 64);
    opened()[0]!.ready();
    opened()[1]!.refuse();
    await clock.advance(40);
    assert.equal(opened().length, 66);
  });
});

describe("EndpointConnection", () => {
  it("backs off by 1 s × 1.6 after each failed opening, and starts over when the server was started again", async () => {
    const { clock, pool, links, at } = setUp();
    pool.update([{ address: "a:1", incarnation: "1" }]);
    const link = links.get("a:1")!;
    for (const delayMs of [1_000, 1_600, 2_560]) {
      const before = link.opened;
      link.refuse();
      await settled();
      assert.equal(at("a:1").state, "transient_failure");
      await clock.advance(delayMs - 1);
      assert.equal(link.opened, before);
      await clock.advance(30);
      assert.equal(link.opened, before + 1);
      await settled();
    }
    link.refuse();
    await settled();
    const before = link.opened;
    pool.update([{ address: "a:1", incarnation: "2" }]);
    await clock.advance(40);
    assert.equal(link.opened, before + 1);
  });

  it("counts as failing while it tries again after a failure", async () => {
    const { clock, set, links, at } = setUp();
    set("a:1");
    links.get("a:1")!.refuse(new Error("refused"));
    await clock.advance(1_100);
    assert.equal(at("a:1").state, "connecting");
    assert.equal(at("a:1").failure?.message, "refused");
    links.get("a:1")!.ready();
    await settled();
    assert.equal(at("a:1").failure, undefined);
  });

  it("opens anew at once when a link that worked is lost or drained", async () => {
    const { clock, set, links, at } = setUp({ auto: true });
    set("a:1");
    await clock.advance(40);
    const connection = at("a:1"), link = links.get("a:1")!;
    for (const end of [() => link.events.lost(new Error("reset")), () => link.events.draining()]) {
      connection.begin();
      connection.end("answered", undefined);
      const before = link.opened;
      end();
      await clock.advance(40);
      assert.equal(link.opened, before + 1);
      assert.equal(connection.state, "ready");
    }
  });

  it("backs off from a server that ends connections before it answered anything", async () => {
    const { clock, set, links, at } = setUp({ auto: true });
    set("a:1");
    await clock.advance(40);
    links.get("a:1")!.events.draining();
    await clock.advance(40);
    assert.equal(at("a:1").state, "transient_failure");
    assert.equal(links.get("a:1")!.opened, 1);
  });
});
