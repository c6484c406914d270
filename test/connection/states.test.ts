import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectionFailed } from "../../src/connection/failure.ts";
import { type InFlightLimit, inFlightLimit } from "../../src/connection/in-flight-limit.ts";
import type { Connector } from "../../src/connection/link.ts";
import { makeConnection } from "../../src/connection/make-connection.ts";
import { markAttempt } from "../../src/connection/mark.ts";
import { fakeConnector, type FakeLinkOptions } from "../support/fake-links.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";

/** A connection without a pool: what it tells its host is noted, and a test may hold its opening up. */
interface SetUp extends FakeLinkOptions {
  readonly held?: boolean;
  /** Of attempts in flight. */
  readonly limit?: InFlightLimit;
  /** Wraps the connector. */
  readonly wrap?: (connector: Connector) => Connector;
  /** A listener of its states. */
  readonly changed?: () => void;
}

function setUp(options: SetUp = {}) {
  const clock = new ManualClock();
  const { connector: made, links } = fakeConnector(options);
  const connector = options.wrap?.(made) ?? made;
  const told: string[] = [];
  const waiting: (() => Promise<void> | undefined)[] = [];
  const connection = makeConnection({ address: "a:1", incarnation: "1" }, {
    clock,
    random: () => 0.5,
    connector,
    backoff: { initialMs: 1_000, maxMs: 120_000 },
    successes: 0,
    limit: options.limit,
    admit: (open) => options.held === true ? void waiting.push(open) : void open(),
    changed({ state }, from) {
      told.push(`${from} → ${state}`);
      options.changed?.();
    },
    touched: () => told.push("touched"),
    room: () => told.push("room"),
    retire(link) {
      link.giveBack?.();
      void link.close(30_000, Infinity);
    },
  });
  const link = links.get("a:1")!;
  const open = async () => {
    connection.connect();
    link.ready();
    await settled();
  };
  const refuse = async (why = "refused") => {
    connection.connect();
    link.refuse(new Error(why));
    await settled();
  };
  const attempt = (how: "answered" | "maybe-processed" | "not-sent", why = "refused") => {
    connection.begin();
    connection.end(how, how === "answered" ? undefined : new Error(why));
  };
  const lose = () => {
    connection.begin();
    connection.end("maybe-processed", connectionFailed("a:1", new TypeError("Failed to fetch"), "maybe-processed"));
  };
  const restart = () => connection.update({ address: "a:1", incarnation: "2" });
  return { clock, connection, link, links, told, waiting, open, refuse, attempt, lose, restart };
}

describe("a connection's attempts", () => {
  it("count for the limit of attempts in flight until they end, or are taken back", () => {
    for (const stateless of [false, true]) {
      const limit = inFlightLimit(undefined, 2)!;
      const { connection } = setUp({ stateless, limit });
      const limited = () => limit.reached(0);
      connection.begin();
      connection.begin();
      assert.equal(limited(), true);
      connection.takeBack();
      assert.equal(limited(), false);
      connection.begin();
      assert.equal(limited(), true);
      connection.end("answered", undefined);
      assert.equal(limited(), false);
    }
  });
});

describe("the samples of a connection's attempts", () => {
  it("are the first ones, and few of the later ones, whatever calls take turns", () => {
    const { connection, attempt } = setUp({ stateless: true }), sampled: number[] = [];
    for (let i = 1; i <= 10_000; i++) {
      attempt("answered");
      if (connection.sampled) sampled.push(i);
    }
    const later = sampled.slice(32);
    assert.deepEqual(sampled.slice(0, 32), Array.from({ length: 32 }, (_, i) => i + 1));
    assert.ok(later.length > 20 && later.length < 80, `${later.length} samples`);
    for (const turns of [2, 3, 4, 8]) assert.equal(new Set(later.map((i) => i % turns)).size, turns);
  });
});

describe("a connection with states", () => {
  it("reports each change of its state once", async () => {
    const { clock, connection, link, told, open, attempt } = setUp();
    assert.deepEqual([connection.state, connection.stateless], ["idle", false]);
    await open();
    connection.connect();
    attempt("answered");
    link.events.lost();
    connection.connect();
    link.refuse();
    await clock.advance(1_000);
    assert.deepEqual(told, [
      "idle → connecting",
      "connecting → ready",
      "ready → idle",
      "idle → connecting",
      "connecting → transient_failure",
      "transient_failure → idle",
    ]);
  });

  it("keeps the newest error for people to read, also when its link ends without one later", async () => {
    const { connection, link, open, attempt } = setUp();
    await open();
    attempt("answered");
    link.events.lost(new Error("reset"));
    assert.equal(connection.lastError?.message, "reset");
    await open();
    attempt("answered");
    link.events.draining();
    assert.deepEqual([connection.state, connection.lastError?.message], ["idle", "reset"]);
  });

  it("says that its server ended it early, and turns what is not an error into one", async () => {
    const { clock, connection, link, open } = setUp();
    await open();
    link.events.draining();
    assert.equal(connection.failure?.message, "the server ended the connection before it answered a call");
    await clock.advance(1_000);
    connection.connect();
    link.refuse("away" as unknown as Error);
    await settled();
    assert.ok(connection.failure instanceof Error);
    assert.equal(connection.failure.message, "away");
  });

  it("stays idle when its link ends once more, and connecting until the opening is over", async () => {
    const { connection, link } = setUp();
    link.events.lost(new Error("late"));
    assert.equal(connection.state, "idle");
    connection.connect();
    link.events.lost(new Error("reset"));
    assert.equal(connection.state, "connecting");
    link.ready();
    await settled();
    assert.deepEqual([connection.state, connection.failure?.message], ["transient_failure", "reset"]);
  });

  it("forgets what its link did before its turn to be opened had come", async () => {
    const { connection, link, waiting } = setUp({ held: true });
    connection.connect();
    link.events.lost(new Error("late"));
    void waiting[0]!();
    link.ready();
    await settled();
    assert.equal(connection.state, "ready");
  });

  it("counts a link as good only for what it did since it was opened", async () => {
    const { clock, connection, link, open, attempt } = setUp();
    await clock.advance(6_000);
    await open();
    await clock.advance(5_000);
    attempt("maybe-processed");
    link.events.lost(new Error("reset"));
    assert.equal(connection.state, "transient_failure");
  });

  it("starts the backoff over when a link that was good is lost", async () => {
    const { clock, link, open, refuse, attempt } = setUp();
    await refuse();
    await clock.advance(1_000);
    await refuse();
    assert.deepEqual(clock.pending, [1_600]);
    await clock.advance(1_600);
    await open();
    attempt("answered");
    link.events.lost();
    await refuse();
    assert.deepEqual(clock.pending, [1_000]);
  });

  it("ends its backoff when the server was started again, and when it is closed", async () => {
    const { clock, connection, refuse, restart } = setUp();
    await refuse();
    restart();
    assert.deepEqual([connection.state, clock.pending], ["idle", []]);
    await refuse();
    await connection.close(0);
    assert.deepEqual([connection.state, clock.pending], ["shutdown", []]);
  });

  it("does not count as failing when it is closed while it opens, and hears nothing of its link any more", async () => {
    const { connection, link, told } = setUp();
    connection.connect();
    await connection.close(0);
    await settled();
    link.events.lost(new Error("reset"));
    assert.deepEqual([connection.lastError, connection.failure], [undefined, undefined]);
    assert.deepEqual(told, ["idle → connecting", "connecting → shutdown"]);
  });

  it("waits for no backoff while it drains, and is idle at once when it is taken back", async () => {
    const { clock, connection, link } = setUp();
    connection.connect();
    connection.begin();
    connection.remove(30_000, Infinity, () => {});
    link.refuse();
    await settled();
    assert.deepEqual(clock.pending, [30_000]);
    connection.restore(connection.endpoint);
    assert.deepEqual([connection.state, connection.failure?.message, clock.pending], [
      "idle",
      "[unavailable] connection refused",
      [],
    ]);
  });

  it("is idle when it is disconnected, and opens another link the next time; the old one finishes its calls", async () => {
    const { connection, link, links, told, open, attempt } = setUp();
    await open();
    attempt("answered");
    connection.begin();
    told.length = 0;
    connection.disconnect();
    assert.deepEqual([connection.state, connection.failure, told], ["idle", undefined, ["ready → idle"]]);
    assert.deepEqual([link.closes, link.gaveBack], [[[30_000, Infinity]], 1]);
    // What the old one says is no longer of interest.
    link.events.lost(new Error("late"));
    link.events.room?.();
    connection.end("answered", undefined);
    assert.deepEqual([connection.inFlight, connection.lastError, told.length], [0, undefined, 1]);
    connection.connect();
    const next = links.get("a:1")!;
    assert.notEqual(next, link);
    next.ready();
    await settled();
    assert.equal(connection.state, "ready");
    next.events.lost(new Error("reset"));
    assert.equal(connection.lastError?.message, "reset");
  });

  it("gives up its opening when it is disconnected, in time or before its turn has come", async () => {
    const { connection, link, links, told } = setUp();
    connection.connect();
    assert.equal(link.opening!.aborted, false);
    connection.disconnect();
    assert.match(String(link.opening!.reason), /the connection is closed/);
    link.ready();
    await settled();
    assert.deepEqual(told, ["idle → connecting", "connecting → idle"]);
    assert.deepEqual([connection.failure, links.get("a:1") === link, link.closes.length], [undefined, false, 1]);
    const held = setUp({ held: true });
    held.connection.connect();
    held.connection.disconnect();
    held.connection.connect();
    assert.equal(held.waiting[0]!(), undefined, "that opening is no longer needed");
    assert.equal(held.connection.state, "connecting");
    void held.waiting[1]!();
    held.links.get("a:1")!.ready();
    await settled();
    assert.equal(held.connection.state, "ready");
  });

  it("is left alone by disconnect() while it is idle, failing, drained or closed", async () => {
    const { connection, link, refuse, told } = setUp();
    connection.disconnect();
    await refuse();
    told.length = 0;
    connection.disconnect();
    assert.equal(connection.state, "transient_failure");
    connection.begin();
    connection.remove(30_000, Infinity, () => {});
    connection.disconnect();
    await connection.close(0);
    connection.disconnect();
    assert.deepEqual([link.closes.length, told], [1, ["transient_failure → shutdown"]]);
  });
});

describe("a connection without states", () => {
  it("is left alone by disconnect()", () => {
    const { connection, told } = setUp({ stateless: true });
    connection.disconnect();
    assert.deepEqual([connection.state, told], ["ready", []]);
  });

  it("keeps what its link says of an end for people to read, until it is closed", async () => {
    const { connection, link } = setUp({ stateless: true });
    assert.equal(connection.stateless, true);
    link.events.lost(new Error("reset"));
    link.events.lost();
    link.events.draining();
    assert.deepEqual([connection.state, connection.lastError?.message], ["ready", "reset"]);
    await connection.close(0);
    link.events.lost(new Error("late"));
    assert.equal(connection.lastError?.message, "reset");
  });

  it("has heard of its server once an attempt was answered, unless a later one failed to reach it", async () => {
    const { clock, connection, attempt } = setUp({ stateless: true });
    assert.equal(connection.heard, false);
    attempt("maybe-processed");
    assert.equal(connection.heard, false);
    attempt("answered");
    assert.equal(connection.heard, true);
    attempt("not-sent");
    assert.equal(connection.heard, false);
    await clock.advance(1_000);
    assert.equal(connection.heard, false);
    attempt("answered");
    assert.equal(connection.heard, true);
  });

  it("learns nothing from attempts that end after it was closed", async () => {
    const { connection } = setUp({ stateless: true });
    connection.begin();
    await connection.close(0);
    connection.end("not-sent", new Error("late"));
    assert.deepEqual([connection.lastError, connection.failure], [undefined, undefined]);
  });

  it("backs off once for attempts that fail together, and says why the first did", async () => {
    const { clock, connection } = setUp({ stateless: true });
    for (let i = 0; i < 3; i++) connection.begin();
    connection.end("not-sent", new Error("first"));
    connection.end("not-sent", new Error("second"));
    assert.deepEqual([connection.lastError?.message, clock.pending], ["first", [1_000]]);
    // An attempt from before says nothing of now.
    connection.end("answered", undefined);
    assert.deepEqual([connection.state, connection.failure?.message], ["transient_failure", "first"]);
  });

  it("reports nothing about attempts while all is well", () => {
    const { connection, told, attempt } = setUp({ stateless: true });
    attempt("answered");
    attempt("maybe-processed");
    assert.deepEqual([told, connection.available, connection.failure], [[], true, undefined]);
  });

  it("backs off when an attempt lost its connection, and again when the probe did", async () => {
    const { clock, connection, told, lose, attempt } = setUp({ stateless: true });
    lose();
    assert.deepEqual([connection.state, connection.available, clock.pending], ["transient_failure", false, [1_000]]);
    await clock.advance(1_000);
    assert.deepEqual([connection.state, connection.available], ["ready", true]);
    lose();
    assert.deepEqual([connection.state, clock.pending], ["transient_failure", [1_600]]);
    await clock.advance(1_600);
    attempt("answered");
    assert.deepEqual([connection.state, connection.failure], ["ready", undefined]);
    const out = "ready → transient_failure", back = "transient_failure → ready";
    assert.deepEqual(told, [out, back, out, back, "touched"]);
  });

  it("is not lost for an error of the server that says Unavailable, nor for one that nobody marked", () => {
    const { connection } = setUp({ stateless: true });
    for (const mark of ["answered", undefined] as const) {
      const error = new ConnectError("busy", Code.Unavailable);
      connection.begin();
      connection.end(mark ?? "maybe-processed", mark === undefined ? error : markAttempt(error, mark));
    }
    connection.begin();
    connection.end("maybe-processed", markAttempt(new ConnectError("reset", Code.Internal), "maybe-processed"));
    assert.equal(connection.available, true);
  });

  it("takes a probe when its backoff is over by the clock, although its timer never fires", () => {
    const { clock, connection, told, lose, attempt } = setUp({ stateless: true });
    lose();
    clock.skip(999);
    assert.equal(connection.available, false);
    clock.skip(1);
    assert.equal(connection.available, true);
    connection.begin();
    assert.deepEqual([connection.available, clock.pending], [false, []]);
    connection.end("answered", undefined);
    attempt("answered");
    assert.deepEqual([connection.state, connection.available, connection.failure], ["ready", true, undefined]);
    assert.deepEqual(told, ["ready → transient_failure", "transient_failure → ready", "touched"]);
  });

  it("takes another probe when one has taken as long as the backoff: its end may never be reported", () => {
    const { clock, connection, lose } = setUp({ stateless: true });
    lose();
    clock.skip(1_000);
    connection.begin();
    clock.skip(999);
    assert.equal(connection.available, false);
    clock.skip(1);
    assert.equal(connection.available, true);
    connection.begin();
    assert.equal(connection.available, false);
    connection.end("answered", undefined);
    assert.equal(connection.available, true);
  });

  it("counts as failing until a probe was answered, and starts the backoff over then", async () => {
    const { clock, connection, attempt } = setUp({ stateless: true });
    attempt("not-sent");
    await clock.advance(1_000);
    attempt("maybe-processed");
    assert.equal(connection.failure?.message, "refused");
    attempt("answered");
    assert.equal(connection.failure, undefined);
    attempt("not-sent");
    assert.deepEqual(clock.pending, [1_000]);
  });

  it("goes on as it is when a server is started again that it can reach", () => {
    const { connection, restart } = setUp({ stateless: true });
    restart();
    connection.begin();
    assert.equal(connection.available, true);
  });

  it("ends its backoff when the server was started again, and when it is closed", async () => {
    const { clock, connection, attempt, restart } = setUp({ stateless: true });
    attempt("not-sent");
    restart();
    assert.deepEqual([connection.state, clock.pending], ["ready", []]);
    attempt("not-sent");
    await connection.close(0);
    assert.deepEqual(clock.pending, []);
  });

  it("may be probed again when the probe found no room and was not made", async () => {
    const { clock, connection, told, attempt } = setUp({ stateless: true });
    attempt("not-sent");
    await clock.advance(1_000);
    connection.begin();
    told.length = 0;
    connection.takeBack();
    assert.deepEqual([connection.available, connection.inFlight, connection.picks], [true, 0, 1]);
    assert.deepEqual(told, ["touched"]);
  });

  it("reports nothing about a probe that ends while it drains", async () => {
    const { clock, connection, told, attempt } = setUp({ stateless: true });
    connection.begin();
    attempt("not-sent");
    await clock.advance(1_000);
    connection.begin();
    connection.remove(30_000, Infinity, () => {});
    told.length = 0;
    connection.end("answered", undefined);
    assert.deepEqual([told, connection.state, connection.failure], [[], "shutdown", undefined]);
  });
});

describe("a connection of any kind", () => {
  it("is full while its link has no more room than it has promised calls", async () => {
    const { connection, link, open } = setUp();
    await open();
    link.room = 1;
    assert.deepEqual([connection.available, connection.full], [true, false]);
    connection.promised = 1;
    assert.deepEqual([connection.available, connection.full], [false, true]);
  });

  it("is held back while health checks say so, and is reported when that changes, in the set", async () => {
    const { connection, told, open } = setUp();
    await open();
    told.length = 0;
    const sick = new Error("not serving");
    const seen = (["serving", "unknown", "unknown", sick, sick, "serving", "serving"] as const).map((health) => {
      const changed = connection.setHealth(health);
      assert.equal(connection.health, health);
      return [changed, connection.available, connection.failure, told.splice(0).length];
    });
    assert.deepEqual(seen, [
      [false, true, undefined, 0],
      [true, false, undefined, 1],
      [false, false, undefined, 0],
      [true, false, sick, 1],
      [false, false, sick, 0],
      [true, true, undefined, 1],
      [false, true, undefined, 0],
    ]);
    connection.begin();
    connection.remove(30_000, Infinity, () => {});
    told.length = 0;
    assert.deepEqual([connection.setHealth("unknown"), told], [true, []]);
  });

  it("is not held back while its health is ignored", async () => {
    const { connection, told, open } = setUp();
    await open();
    const state = () => [connection.available, connection.heldBack, connection.failure?.message];
    connection.setHealth(new Error("not serving"));
    assert.deepEqual(state(), [false, true, "not serving"]);
    told.length = 0;
    for (let i = 0; i < 2; i++) connection.healthIgnored = true;
    assert.equal(told.length, 1, "policies are to know, once");
    assert.deepEqual(state(), [true, false, undefined]);
    connection.allow(0);
    assert.deepEqual(state(), [true, false, undefined], "nor are its attempts counted");
    connection.healthIgnored = false;
    connection.setHealth("serving");
    assert.deepEqual(state(), [false, false, undefined]);
  });

  it("is available for as many attempts as it is allowed, and for any number as before", async () => {
    const { connection, open } = setUp();
    await open();
    for (let i = 0; i < 3; i++) connection.begin();
    assert.deepEqual([connection.available, connection.restricted], [true, false]);
    connection.allow(1);
    assert.deepEqual([connection.available, connection.restricted], [true, true]);
    connection.begin();
    assert.equal(connection.available, false);
    connection.takeBack();
    assert.equal(connection.available, true, "it was not made");
    connection.begin();
    connection.end("answered", undefined);
    assert.equal(connection.available, false, "its end allows no other");
    connection.allow(2);
    connection.begin();
    connection.begin();
    assert.deepEqual([connection.available, connection.full], [false, false]);
    connection.allow(Infinity);
    assert.deepEqual([connection.available, connection.restricted], [true, false]);
  });

  it("says why its link could not be opened, whatever health checks say", async () => {
    const { connection, refuse } = setUp();
    connection.setHealth(new Error("not serving"));
    await refuse("refused");
    assert.equal(connection.failure?.message, "refused");
  });

  it("reports that it is removed, closes when its last attempt is taken back, and reports that it is closed afterwards", async () => {
    const { connection, link, told, open } = setUp();
    await open();
    connection.begin();
    told.length = 0;
    const closed: Promise<void>[] = [];
    connection.remove(30_000, Infinity, (promise) => void closed.push(promise));
    assert.deepEqual([told, link.closed, closed.length], [["ready → shutdown"], false, 0]);
    connection.takeBack();
    assert.deepEqual([told.length, link.closed, closed.length], [1, true, 1]);
    await closed[0];
  });

  it("closes once when a listener closes it as it is removed", async () => {
    const { connection, link, open } = setUp({ changed: () => connection.state === "shutdown" && connection.close(0) });
    await open();
    connection.remove(30_000, Infinity, () => assert.fail("it was closed before"));
    assert.equal(link.closes.length, 1);
  });

  it("leaves no timer when the calls that its link gives back are its last ones", async () => {
    const { clock, connection, link, open } = setUp({
      wrap: (connector) => (endpoint, events) => ({
        ...connector(endpoint, events),
        giveBack: () => connection.end("not-sent", new Error("given back")),
      }),
    });
    await open();
    connection.begin();
    connection.remove(30_000, Infinity, () => {});
    assert.deepEqual([link.closes, clock.pending], [[[0, Infinity]], []]);
  });

  it("takes the newest attributes when it is back in the set", async () => {
    const { clock, connection, open } = setUp();
    await open();
    connection.begin();
    connection.remove(30_000, Infinity, () => {});
    connection.restore({ address: "a:1", incarnation: "1", weight: 2 });
    assert.deepEqual([connection.endpoint.weight, connection.state, clock.pending], [2, "ready", []]);
  });

  it("is closed when its link is", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { connection } = setUp({ whenClosed: promise });
    const ended: string[] = [];
    const closed = connection.close(0).then(() => ended.push("closed"));
    await settled();
    assert.deepEqual(ended, []);
    resolve();
    await closed;
  });

  it("ignores events of a link that is not there yet", () => {
    const { told } = setUp({
      wrap: (connector) => (endpoint, events) => {
        events.room!();
        events.lost(new Error("early"));
        events.draining();
        return connector(endpoint, events);
      },
    });
    assert.deepEqual(told, []);
  });

  it("closes with the last attempt that it had when it was removed, and leaves no timer behind", async () => {
    const { clock, connection, link, open } = setUp();
    await open();
    for (let i = 0; i < 3; i++) connection.begin();
    connection.remove(30_000, Infinity, () => {});
    connection.end("answered", undefined);
    connection.takeBack();
    assert.deepEqual([connection.inFlight, connection.picks, link.closed], [1, 2, false]);
    connection.end("answered", undefined);
    assert.deepEqual([link.closes, clock.pending], [[[0, Infinity]], []]);
  });

  it("goes on backing off when only its attributes change", async () => {
    const { clock, connection, refuse } = setUp();
    await refuse();
    connection.update({ address: "a:1", incarnation: "1", weight: 2 });
    assert.deepEqual([connection.state, clock.pending], ["transient_failure", [1_000]]);
  });
});
