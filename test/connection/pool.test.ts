import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EndpointConnection } from "../../src/connection/endpoint-connection.ts";
import { makeConnection } from "../../src/connection/make-connection.ts";
import { Pool } from "../../src/connection/pool.ts";
import type { Endpoint } from "../../src/endpoint.ts";
import type { Connector } from "../../src/connection/link.ts";
import { fakeConnector, type FakeLinkOptions } from "../support/fake-links.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";

interface SetUp extends FakeLinkOptions {
  readonly eager?: boolean;
  readonly connector?: Connector;
  readonly removedStreamGraceMs?: number;
}

function setUp(options: SetUp = {}) {
  const clock = new ManualClock();
  const { connector, links } = fakeConnector(options);
  const told: string[][] = [], states: string[] = [], sets: string[] = [], rooms: string[] = [];
  const { removedStreamGraceMs } = options;
  const pool = new Pool({
    clock,
    random: () => 0.5,
    connector: options.connector ?? connector,
    makeConnection,
    ...removedStreamGraceMs !== undefined && { removedStreamGraceMs },
    onChange(connections) {
      told.push(connections.map(({ endpoint, state }) => `${endpoint.address} ${state}`));
      if (options.eager !== false) { for (const connection of connections) connection.connect(); }
    },
    onState: ({ endpoint, state }) => void states.push(`${endpoint.address} ${state}`),
    onSet(added, removed, total) {
      const addresses = (endpoints: readonly Endpoint[]) => endpoints.map(({ address }) => address).join();
      sets.push(`+${addresses(added)} -${addresses(removed)} =${total}`);
    },
    onRoom: ({ endpoint }) => void rooms.push(endpoint.address),
  });
  const set = (...addresses: string[]) => pool.update(addresses.map((address) => ({ address })));
  const at = (address: string): EndpointConnection => {
    const found = pool.connections.find(({ endpoint }) => endpoint.address === address);
    assert.ok(found, `${address} is in the pool`);
    return found;
  };
  return { clock, links, told, states, sets, rooms, pool, set, at };
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
    const { clock, pool, sets, set } = setUp();
    set("a:1", "a:1");
    await clock.advance(20);
    assert.deepEqual([pool.connections.length, sets], [1, ["+a:1 - =1"]]);
  });

  it("keeps its connections in address order", () => {
    for (const given of ["a:1 b:1 c:1", "b:1 c:1 a:1", "c:1 a:1 b:1", "c:1 b:1 a:1", "b:1 a:1 c:1"]) {
      const { told, set } = setUp({ eager: false });
      set(...given.split(" "));
      assert.deepEqual(told, [["a:1 idle", "b:1 idle", "c:1 idle"]], given);
    }
  });

  it("tells what was added to its set and taken from it, an endpoint that comes back too", async () => {
    const { clock, sets, set, at, links } = setUp({ auto: true });
    set("a:1", "b:1");
    await clock.advance(40);
    at("a:1").begin();
    set("b:1", "c:1");
    await clock.advance(40);
    set("a:1", "b:1");
    await clock.advance(40);
    set("a:1", "b:1");
    await clock.advance(40);
    assert.deepEqual(sets.splice(0), ["+a:1,b:1 - =2", "+c:1 -a:1 =2", "+a:1 -c:1 =2"]);
    // Both work, and are the last resort until they are lost.
    set();
    await clock.advance(40);
    links.get("a:1")!.events.lost();
    await clock.advance(40);
    assert.deepEqual(sets, ["+ -a:1 =1"]);
  });

  it("reports the first change immediately, and those of the next 20 ms together", async () => {
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

  it("reports the first connection that becomes available immediately", async () => {
    const { clock, told, set, links } = setUp();
    set("a:1", "b:1");
    await clock.advance(1);
    links.get("b:1")!.ready();
    await settled();
    assert.deepEqual(told.at(-1), ["a:1 connecting", "b:1 ready"]);
    assert.equal(clock.now(), 1);
    links.get("a:1")!.ready();
    await settled();
    assert.deepEqual(told.at(-1), ["a:1 connecting", "b:1 ready"], "calls have one to go to");
    await clock.advance(20);
    assert.deepEqual(told.at(-1), ["a:1 ready", "b:1 ready"]);
  });

  it("tells no failure at once, and of no room on a connection that is not available", async () => {
    const { clock, told, states, rooms, set, links } = setUp();
    set("a:1", "b:1");
    await clock.advance(1);
    const before = told.length;
    links.get("a:1")!.refuse();
    await settled();
    assert.equal(states.at(-1), "a:1 transient_failure");
    assert.equal(told.length, before);
    links.get("b:1")!.room = 0;
    links.get("b:1")!.ready();
    await settled();
    assert.deepEqual([states.at(-1), rooms], ["b:1 ready", []]);
    links.get("b:1")!.room = 1;
    links.get("b:1")!.events.room!();
    assert.deepEqual(rooms, ["b:1"]);
  });

  it("tells once of a set that takes back a connection which is ready", async () => {
    const { clock, told, set, at, links } = setUp();
    set("a:1");
    links.get("a:1")!.ready();
    await clock.advance(40);
    at("a:1").begin();
    set("b:1");
    await clock.advance(40);
    const before = told.length;
    set("a:1");
    assert.equal(told.length, before + 1);
    assert.deepEqual(told.at(-1), ["a:1 ready"]);
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
    assert.deepEqual([links.get("a:1")!.closed, links.get("a:1")!.gaveBack], [false, 1]);
    old.end("answered", undefined);
    assert.equal(links.get("a:1")!.closed, true);
  });

  it("closes the link of an unused connection only after the listener knows the new set", async () => {
    const { connector, links } = fakeConnector({ auto: true });
    const clock = new ManualClock();
    const closedWhenTold: boolean[] = [];
    const pool = new Pool({
      clock,
      random: () => 0.5,
      connector,
      makeConnection,
      onChange(connections) {
        for (const connection of connections) connection.connect();
        if (connections.length === 1) closedWhenTold.push(links.get("a:1")!.closed);
      },
    });
    pool.update([{ address: "a:1" }, { address: "b:1" }]);
    await clock.advance(40);
    pool.update([{ address: "b:1" }]);
    await clock.advance(40);
    assert.equal(closedWhenTold[0], false);
    assert.equal(links.get("a:1")!.closed, true);
  });

  it("takes an endpoint back that returns while its connection drains", async () => {
    const { clock, pool, set, links, at } = setUp({ auto: true });
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
    await pool.close(0);
    assert.equal(links.get("a:1")!.closes.length, 1);
  });

  it("keeps ready connections as the last resort when the set becomes empty, until they are lost", async () => {
    const { clock, pool, sets, set, links } = setUp();
    set("a:1", "b:1");
    links.get("a:1")!.ready();
    await clock.advance(40);
    set();
    await clock.advance(40);
    assert.deepEqual(pool.connections.map(({ endpoint, state }) => `${endpoint.address} ${state}`), ["a:1 ready"]);
    assert.equal(links.get("b:1")!.closed, true);
    assert.deepEqual(clock.pending, [], "for as long as they work");
    links.get("a:1")!.events.lost(new Error("gone"));
    await clock.advance(40);
    assert.deepEqual(pool.connections, []);
    const before = sets.length;
    pool.touch();
    await clock.advance(40);
    assert.equal(sets.length, before);
  });

  it("has no last resort any more once there is a set again", async () => {
    const { clock, pool, set, links } = setUp();
    set("a:1");
    links.get("a:1")!.ready();
    await clock.advance(40);
    set();
    await clock.advance(40);
    set("a:1");
    await clock.advance(40);
    links.get("a:1")!.events.lost(new Error("gone"));
    await clock.advance(40);
    assert.equal(pool.connections.length, 1);
  });

  it("is as new after a reset: nothing is applied, told or waited for that was under way", async () => {
    for (const stateless of [false, true]) {
      const { clock, pool, sets, told, set, links } = setUp({ auto: true, stateless });
      set("a:1");
      await clock.advance(40);
      set();
      await clock.advance(40);
      set("b:1");
      set();
      await clock.advance(40);
      set("c:1");
      set("d:1");
      const before = [sets.length, told.length];
      pool.reset();
      assert.deepEqual([clock.pending, links.get("a:1")!.closed], [[], true]);
      pool.touch();
      await clock.advance(40);
      assert.deepEqual([pool.connections, sets.length, told.length], [[], before[0], before[1]! + 1]);
      await pool.close(0);
    }
  });

  it("has no last resort any more after a reset", async () => {
    for (const stateless of [false, true]) {
      const { clock, pool, sets, set } = setUp({ auto: true, stateless });
      set("a:1");
      await clock.advance(40);
      set();
      await clock.advance(40);
      assert.equal(pool.connections.length, 1);
      const before = sets.length;
      pool.reset();
      assert.deepEqual(clock.pending, []);
      pool.touch();
      await clock.advance(40);
      assert.equal(sets.length, before);
    }
  });

  it("tells nothing of the connections that it closes, and leaves no timer behind", async () => {
    const { clock, pool, states, rooms, set } = setUp({ stateless: true });
    set("a:1");
    set();
    await clock.advance(40);
    rooms.length = 0;
    assert.equal(clock.pending.length, 1);
    await pool.close(0);
    assert.deepEqual([states, rooms, clock.pending], [[], [], []]);
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

  it("passes over thousands of connections that were removed while they waited to be opened", async () => {
    const { clock, set, links } = setUp();
    set(...Array.from({ length: 20_000 }, (_, i) => `a:${i + 1}`));
    await clock.advance(40);
    set("b:1");
    await clock.advance(40);
    assert.equal(links.get("b:1")!.opened, 1);
  });

  it("closes although thousands of connections wait to be opened", async () => {
    const { clock, pool, set } = setUp();
    set(...Array.from({ length: 20_000 }, (_, i) => `a:${i + 1}`));
    await clock.advance(40);
    await pool.close(0);
    await settled();
  });

  it("opens a connection that was removed while it waited to be opened, and taken back", async () => {
    const { clock, set, links, at } = setUp();
    const many = Array.from({ length: 64 }, (_, i) => `a:${i + 1}`);
    set(...many, "b:1");
    const waiting = at("b:1");
    waiting.begin();
    set(...many);
    await clock.advance(40);
    links.get("a:1")!.ready();
    await clock.advance(40);
    set(...many, "b:1");
    await clock.advance(40);
    assert.equal(at("b:1"), waiting);
    assert.equal(links.get("b:1")!.opened, 1);
  });

  it("ends what removed connections still do when it is closed", async () => {
    let ended = () => {};
    const { clock, pool, set, links, at } = setUp({
      auto: true,
      whenClosed: new Promise((resolve) => ended = resolve),
    });
    set("a:1", "b:1");
    await clock.advance(40);
    at("a:1").begin();
    set("b:1");
    await clock.advance(40_000);
    const closed = pool.close(0);
    assert.deepEqual(links.get("a:1")!.closes, [[0, Infinity], [0, 0]]);
    ended();
    await closed;
  });

  it("gives streams on a removed connection no longer than asked, and unary calls 30 s", async () => {
    const { clock, set, links, at } = setUp({ auto: true, removedStreamGraceMs: 5_000 });
    set("a:1", "b:1");
    await clock.advance(40);
    at("a:1").begin();
    set("b:1");
    await clock.advance(4_999);
    assert.deepEqual(links.get("a:1")!.closes, []);
    await clock.advance(1);
    assert.deepEqual(links.get("a:1")!.closes, [[25_000, 0]]);
  });

  it("gives the calls of a disconnected link as long as those of a removed endpoint, and ends them when it closes", async () => {
    const { clock, links, pool, set, at } = setUp({ auto: true, eager: false, removedStreamGraceMs: 60_000 });
    set("a:1");
    await clock.advance(20);
    at("a:1").connect();
    await clock.advance(20);
    const first = links.get("a:1")!;
    at("a:1").begin();
    at("a:1").disconnect();
    await clock.advance(20);
    assert.deepEqual([first.closes, first.gaveBack], [[[30_000, 60_000]], 1]);
    assert.equal(at("a:1").state, "idle");
    at("a:1").connect();
    await clock.advance(20);
    assert.equal(at("a:1").state, "ready");
    await pool.close(5);
    // Its closing was over, so that only the second one is left.
    assert.deepEqual([first.closes.length, links.get("a:1")!.closes], [1, [[5, 5]]]);
  });

  it("ends what a disconnected link still does when it is closed", async () => {
    let closed = () => {};
    const whenClosed = new Promise<void>((resolve) => closed = resolve);
    const { clock, links, pool, set, at } = setUp({ auto: true, whenClosed });
    set("a:1");
    await clock.advance(40);
    const first = links.get("a:1")!;
    at("a:1").begin();
    at("a:1").disconnect();
    let over = false;
    const closing = pool.close(5).then(() => over = true);
    await settled();
    assert.deepEqual([first.closes, over], [[[30_000, Infinity], [5, 5]], false]);
    closed();
    await closing;
  });

  it("tells each connection its place in the resolver's list", async () => {
    const { clock, set, at } = setUp({ auto: true });
    const places = () => ["a:1", "b:1", "c:1"].map((address) => at(address).place);
    set("c:1", "a:1", "c:1", "b:1");
    await clock.advance(20);
    assert.deepEqual(places(), [1, 2, 0]);
    set("a:1", "b:1", "c:1");
    await clock.advance(20);
    assert.deepEqual(places(), [0, 1, 2]);
  });

  it("lets go of a removed connection in time, also when it fails to open again meanwhile", async () => {
    const { clock, set, links, at } = setUp();
    set("a:1", "b:1");
    at("a:1").begin();
    set("b:1");
    await clock.advance(40);
    links.get("a:1")!.refuse();
    await clock.advance(30_000);
    assert.equal(links.get("a:1")!.closed, true);
  });

  it("opens nothing more when a listener closes it in the middle of a change", async () => {
    const { connector, links } = fakeConnector();
    const clock = new ManualClock();
    const pool: Pool = new Pool({
      clock,
      random: () => 0.5,
      connector,
      makeConnection,
      onChange: (connections) => connections.forEach((connection) => connection.connect()),
      onSet: () => void pool.close(0),
    });
    pool.update([{ address: "a:1" }]);
    await clock.advance(40);
    assert.equal(links.get("a:1")!.closed, true);
    assert.equal(links.get("a:1")!.opened, 0);
  });

  describe("with links that break their contract", () => {
    const message = (at: (address: string) => EndpointConnection) => at("a:1").lastError?.message ?? "";

    it("counts an endpoint as failing whose connector throws, and says why", async () => {
      const { connector } = fakeConnector({ auto: true });
      const { clock, set, at } = setUp({
        connector(endpoint, events) {
          if (endpoint.address === "a:1") throw new Error("no such protocol");
          return connector(endpoint, events);
        },
      });
      set("a:1", "b:1");
      await clock.advance(40);
      assert.equal(at("a:1").state, "transient_failure");
      assert.match(message(at), /the connector returned no link to a:1: no such protocol/);
      assert.equal(at("b:1").state, "ready");
      set("b:1");
      await clock.advance(40);
    });

    it("says what was thrown, also when that is not an error", async () => {
      const { clock, set, at } = setUp({
        connector() {
          throw "no such protocol";
        },
      });
      set("a:1");
      await clock.advance(40);
      assert.match(message(at), /returned no link to a:1: no such protocol$/);
    });

    it("guesses that a function was not called", async () => {
      const { clock, set, at } = setUp({ connector: (() => () => {}) as unknown as Connector });
      set("a:1");
      await clock.advance(40);
      assert.match(message(at), /expected \{ transport, connect\?, close \}, not a function: is .*\?$/);
    });

    const transport = { unary() {}, stream() {} }, close = () => {};
    for (
      const [what, link] of [
        ["nothing", undefined],
        ["no transport", { close }],
        ["no close", { transport }],
        ["a transport without unary", { transport: { stream() {} }, close }],
        ["a transport without stream", { transport: { unary() {} }, close }],
        ["a connect that is no function", { transport, close, connect: true }],
      ] as const
    ) {
      it(`counts an endpoint as failing whose connector returns ${what}`, async () => {
        const { clock, set, at } = setUp({ connector: (() => link) as unknown as Connector });
        set("a:1");
        await clock.advance(40);
        assert.equal(at("a:1").state, "transient_failure");
        assert.match(message(at), /the connector returned no link to a:1: expected \{ transport, connect\?, close \}$/);
      });
    }

    it("counts an opening that throws at once as failed", async () => {
      const { clock, set, at } = setUp({
        connector: (endpoint, events) => ({
          ...fakeConnector().connector(endpoint, events),
          connect() {
            throw new Error("not today");
          },
        }),
      });
      set("a:1", "b:1");
      await clock.advance(40);
      assert.equal(at("b:1").state, "transient_failure");
      assert.equal(message(at), "not today");
    });

    it("prints what the closing of a link throws", async (t) => {
      const print = t.mock.method(console, "error", () => {});
      const closes = [
        () => Promise.reject(new Error("rejected")),
        () => {
          throw new Error("thrown");
        },
      ];
      const { clock, pool, set } = setUp({
        connector: (endpoint, events) => ({ ...fakeConnector().connector(endpoint, events), close: closes.pop()! }),
      });
      set("a:1", "b:1");
      await clock.advance(40);
      set("a:1");
      await clock.advance(40);
      await pool.close(0);
      assert.equal(print.mock.callCount(), 2);
    });
  });
});

describe("EndpointConnection of a link without states", () => {
  const notSent = (connection: EndpointConnection) => {
    connection.begin();
    connection.end("not-sent", new Error("refused"));
  };

  it("is ready until an attempt is not sent, and after a backoff for one probe", async () => {
    const { clock, set, at } = setUp({ stateless: true });
    set("a:1");
    const connection = at("a:1");
    assert.equal(connection.available, true);
    notSent(connection);
    assert.deepEqual([connection.state, connection.available], ["transient_failure", false]);
    await clock.advance(1_000);
    assert.deepEqual([connection.state, connection.available], ["ready", true]);
    connection.begin();
    assert.equal(connection.available, false);
    connection.end("not-sent", new Error("refused"));
    await clock.advance(1_599);
    assert.equal(connection.state, "transient_failure");
    await clock.advance(1);
    assert.equal(connection.state, "ready");
  });

  it("reports that a probe was answered, so that pickers use it again", async () => {
    const { clock, set, at, told } = setUp({ stateless: true });
    set("a:1");
    const connection = at("a:1");
    notSent(connection);
    await clock.advance(1_100);
    connection.begin();
    await clock.advance(40);
    const before = told.length;
    connection.end("answered", undefined);
    await clock.advance(40);
    assert.equal(connection.available, true);
    assert.equal(connection.failure, undefined);
    assert.equal(told.length, before + 1);
  });

  it("reports that a probe proved nothing, so that the next call may try", async () => {
    const { clock, set, at, told } = setUp({ stateless: true });
    set("a:1");
    const connection = at("a:1");
    notSent(connection);
    await clock.advance(1_100);
    connection.begin();
    await clock.advance(40);
    const before = told.length;
    connection.end("maybe-processed", new Error("aborted"));
    await clock.advance(40);
    assert.equal(connection.available, true);
    assert.equal(told.length, before + 1);
  });

  it("is proved by the headers of a stream, and not only by its end", async () => {
    const { clock, set, at } = setUp({ stateless: true });
    set("a:1");
    const connection = at("a:1");
    notSent(connection);
    await clock.advance(1_100);
    connection.begin();
    connection.answered();
    assert.equal(connection.available, true);
    assert.equal(connection.inFlight, 1);
  });

  it("is probed again when it was failing, removed, and taken back", async () => {
    const { clock, set, at } = setUp({ stateless: true });
    set("a:1", "b:1");
    const connection = at("a:1");
    connection.begin();
    notSent(connection);
    set("b:1");
    await clock.advance(40);
    set("a:1", "b:1");
    await clock.advance(40);
    assert.equal(at("a:1"), connection);
    assert.deepEqual([connection.state, connection.available], ["ready", true]);
  });

  it("stays for 30 s when the set becomes empty, and is available again when it is taken back later", async () => {
    const { clock, pool, set, at } = setUp({ stateless: true });
    set("a:1");
    const connection = at("a:1");
    connection.begin();
    set();
    await clock.advance(29_999);
    assert.equal(pool.connections.length, 1);
    await clock.advance(21);
    assert.equal(pool.connections.length, 0);
    set("a:1");
    await clock.advance(40);
    assert.equal(at("a:1"), connection);
    assert.equal(connection.available, true);
  });
});

describe("connections of links without states", () => {
  it("stay for 30 s each time that the set becomes empty", async () => {
    const { clock, pool, set } = setUp({ stateless: true });
    for (const emptyMs of [30_000, 10_000, 30_000]) {
      set("a:1");
      await clock.advance(25_000);
      set();
      await clock.advance(emptyMs - 1);
      assert.equal(pool.connections.length, 1);
      await clock.advance(1);
      assert.equal(pool.connections.length, emptyMs === 30_000 ? 0 : 1);
    }
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
    // The next failure waits as long as a first one.
    link.refuse();
    await settled();
    await clock.advance(999);
    assert.equal(link.opened, before + 1);
    await clock.advance(31);
    assert.equal(link.opened, before + 2);
  });

  it("backs off for no longer than 2 min", async () => {
    const { clock, set, links } = setUp();
    set("a:1");
    const waits: number[] = [];
    for (let i = 0; i < 15; i++) {
      links.get("a:1")!.refuse();
      await settled();
      const waitMs = clock.pending.at(-1)!;
      waits.push(waitMs);
      await clock.advance(waitMs + 20);
    }
    assert.deepEqual([waits[0], ...waits.slice(-2)], [1_000, 120_000, 120_000]);
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

  it("reopens immediately when a link that worked is lost or drained", async () => {
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

  it("fails when its link is lost before it counts as open", async () => {
    const { clock, set, links, at } = setUp();
    set("a:1");
    const link = links.get("a:1")!;
    link.ready();
    link.events.lost(new Error("reset"));
    await clock.advance(40);
    assert.equal(at("a:1").state, "transient_failure");
    assert.equal(at("a:1").failure?.message, "reset");
  });

  it("takes a link as good whose stream got response headers, however soon it is lost", async () => {
    const { clock, set, links, at } = setUp({ auto: true });
    set("a:1");
    await clock.advance(40);
    at("a:1").begin();
    at("a:1").answered();
    links.get("a:1")!.events.lost(new Error("reset"));
    await clock.advance(40);
    assert.equal(at("a:1").state, "ready");
    assert.equal(links.get("a:1")!.opened, 2);
  });

  it("takes a link as good that lasted 10 s without a call, and one that was lost sooner as failing", async () => {
    for (const [afterMs, state] of [[9_999, "transient_failure"], [10_000, "ready"]] as const) {
      const { clock, set, links, at } = setUp({ auto: true });
      set("a:1");
      await clock.advance(0);
      assert.equal(at("a:1").state, "ready");
      await clock.advance(afterMs);
      links.get("a:1")!.events.lost(new Error("reset"));
      await clock.advance(40);
      assert.equal(at("a:1").state, state, `lost after ${afterMs} ms`);
    }
  });

  it("takes a link as good that its server ended without an error after 1 s without a call", async () => {
    for (const end of ["lost", "draining"] as const) {
      for (const [afterMs, state] of [[999, "transient_failure"], [1_000, "ready"]] as const) {
        const { clock, set, links, at } = setUp({ auto: true });
        set("a:1");
        await clock.advance(0);
        await clock.advance(afterMs);
        links.get("a:1")!.events[end]();
        await clock.advance(40);
        assert.equal(at("a:1").state, state, `${end} after ${afterMs} ms`);
      }
    }
  });
});
