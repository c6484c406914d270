import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Sweeper } from "../../../src/http2/server/sweeper.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { encodeFrame, Flag, FrameType, Setting } from "../../support/raw-http2/frame.ts";
import { flushed, frame } from "../memory.ts";
import { type MemoryClient, PREFACE, REQUEST, type Served, served, TestRequest } from "./memory.ts";

const NOTHING = new Uint8Array(0);
const LAST = 0x7fff_ffff;

/** Streams that are not answered by themselves. */
const silent = {
  made: (head: ConstructorParameters<typeof TestRequest>[0]) => new TestRequest(head, { answer: false }),
};

/** The acknowledgement of the PING behind the first GOAWAY. */
function pong(client: MemoryClient): void {
  client.send(encodeFrame(FrameType.ping, Flag.ack, 0, new TextEncoder().encode("draining")));
}

/** What was sent since the last call. */
function* names({ client }: Served): Generator<string> {
  yield* client.names();
}

/** A clock, and how many things ended in each of its callbacks, as the test counts them. */
function countingClock() {
  const ended: number[] = [];
  const clock = new ManualClock(), timer = clock.timer.bind(clock);
  clock.timer = (ms, callback, hold) =>
    timer(ms, () => {
      assert.ok(ended.length < 1_000, "the clock calls back without end");
      ended.push(0);
      callback();
    }, hold);
  return { clock, ended };
}

describe("a connection that drains", () => {
  it("asks for no more streams, then says which are answered, and ends when they are", async () => {
    const all = served(silent);
    const { client, connection, requests, closed } = all;
    client.request(1);
    await flushed();
    client.frames();
    connection.drain();
    connection.drain();
    // On the way before the client knew.
    client.request(3);
    await flushed();
    const pings = client.frames();
    assert.deepEqual(pings.map(({ type }) => type), [FrameType.goaway, FrameType.ping]);
    assert.equal(new DataView(pings[0]!.payload.slice().buffer).getUint32(0), LAST);
    client.send(encodeFrame(FrameType.ping, Flag.ack, 0, pings[1]!.payload));
    client.request(5, { end: false });
    client.send(frame.data(5, NOTHING, 1));
    await flushed();
    assert.deepEqual([...names(all)], ["goaway last 3 code 0"]);
    assert.equal(requests.length, 2);
    for (const request of requests) request.respondWith(NOTHING);
    await flushed();
    assert.deepEqual([...names(all)], ["headers:1", "headers:1 END", "headers:3", "headers:3 END"]);
    assert.deepEqual([connection.state, client.ended, client.destroyed], ["ending", true, false]);
    client.events.end();
    assert.equal(client.destroyed, true);
    client.events.closed();
    assert.deepEqual([closed, connection.state], [[undefined], "closed"]);
  });

  it("waits for a client's acknowledgement for a second at most, and for its end for two", async () => {
    const { client, clock, connection } = served();
    connection.drain();
    await clock.advance(999);
    assert.equal(connection.state, "draining");
    await clock.advance(1);
    assert.deepEqual([connection.state, client.destroyed], ["ending", false]);
    await flushed();
    assert.equal(client.names().at(-1), "goaway last 0 code 0");
    await clock.advance(2_000);
    assert.equal(client.destroyed, true);
  });

  it("may not have heard of its client yet", async () => {
    const { client, connection, requests } = served({}, false);
    connection.drain();
    client.send(PREFACE, frame.settings());
    client.request(1);
    pong(client);
    await flushed();
    assert.deepEqual([requests.length, connection.state], [1, "ending"]);
  });

  it("writes what waits for the byte stream before it ends", async () => {
    const { client, connection } = served();
    await flushed();
    client.full = true;
    client.request(1);
    await flushed();
    client.request(3);
    connection.drain();
    pong(client);
    assert.deepEqual([connection.state, client.ended], ["draining", false]);
    client.full = false;
    client.events.writable();
    await flushed();
    assert.equal(client.ended, true);
    assert.ok(client.all().some(({ streamId, flags }) => streamId === 3 && (flags & 1) !== 0));
  });

  it("ends at once when it is closed, and tells what becomes of its streams", async () => {
    const { client, connection, requests } = served(silent);
    client.request(1);
    connection.close();
    await flushed();
    assert.equal(client.names().at(-1), "goaway last 1 code 0");
    assert.equal(requests[0]!.told.at(-1), "failed");
    assert.equal(client.ended, true);
  });
});

describe("a client that half-closes", () => {
  it("gets its answers, and then the end", async () => {
    const { client, connection, requests } = served(silent);
    client.request(1);
    client.request(3, { end: false });
    client.events.end();
    assert.deepEqual(requests.map(({ told }) => told), [["open", "end"], ["open", "failed"]]);
    requests[0]!.respondWith(NOTHING);
    await flushed();
    assert.ok(client.all().some(({ streamId, flags }) => streamId === 1 && (flags & 1) !== 0));
    assert.deepEqual([connection.state, client.ended, client.destroyed], ["ending", true, true]);
  });

  it("is asked whether it is still there as long as it is being answered", async () => {
    const { client, clock, requests } = served(silent);
    client.request(1);
    client.events.end();
    await clock.advance(3_000);
    await flushed();
    assert.equal(client.all().filter(({ type }) => type === FrameType.ping).length, 4);
    client.events.closed(new Error("write EPIPE"));
    assert.equal(requests[0]!.told.at(-1), "failed");
    assert.deepEqual(clock.pending.filter((ms) => ms <= 1_000), []);
  });

  it("is not waited for by a drain, neither with calls nor without", async () => {
    for (const calls of [0, 1]) {
      const { client, connection, requests } = served(silent);
      if (calls > 0) client.request(1);
      connection.drain();
      client.events.end();
      for (const request of requests) request.respondWith(NOTHING);
      await flushed();
      assert.deepEqual([connection.state, client.destroyed], ["ending", true]);
    }
  });

  it("is left at once if it waits for nothing", () => {
    const { client, connection } = served();
    client.events.end();
    assert.deepEqual([connection.state, client.destroyed], ["ending", true]);
  });
});

describe("a connection's time", () => {
  it("to become one of HTTP/2 is limited", async () => {
    const { client, clock, connection } = served({ times: { handshakeTimeoutMs: 1_000 } }, false);
    client.send(PREFACE);
    await clock.advance(900);
    assert.equal(connection.state, "opening");
    await clock.advance(600);
    assert.equal(connection.state, "ending");
  });

  it("without calls is limited, if asked for", async () => {
    const { client, clock, connection } = served({ ...silent, times: { maxConnectionIdleMs: 1_000 } });
    client.request(1);
    await clock.advance(10_000);
    assert.equal(connection.state, "open");
    connection.requests.reset([...connection.streams][0]!, 0);
    await clock.advance(900);
    assert.equal(connection.state, "open");
    await clock.advance(900);
    assert.equal(connection.state, "draining");
  });

  it("is limited as a whole, with a grace for calls, if asked for", async () => {
    const times = { maxConnectionAgeMs: 10_000, maxConnectionAgeGraceMs: 5_000 };
    const { client, clock, connection, requests } = served({ ...silent, times });
    client.request(1);
    await clock.advance(8_900);
    assert.equal(connection.state, "open");
    // Give or take 10 %, as of a sweep.
    await clock.advance(3_600);
    assert.equal(connection.state, "draining");
    await clock.advance(5_000);
    assert.deepEqual([connection.state, requests[0]!.told.at(-1)], ["ending", "failed"]);
  });

  it("ends few at once however many requests and connections are too late, and the rest right afterwards", async () => {
    const { clock, ended } = countingClock();
    const count = () => void ended[ended.length - 1]!++;
    class Late extends TestRequest {
      override onRequestTimeout(): void {
        count();
      }
    }
    const sweeper = new Sweeper(clock, 10_000), times = { requestTimeoutMs: 10_000, handshakeTimeoutMs: 10_000 };
    const all = Array.from({ length: 2 }, () => {
      const one = served({ clock, sweeper, times, made: (head) => new Late(head, { answer: false }) });
      for (let id = 1; id < 200; id += 2) one.client.request(id, { end: false });
      return one;
    });
    const silentOnes = Array.from({ length: 100 }, () => {
      const one = served({ clock, sweeper, times }, false);
      const end = one.client.end.bind(one.client);
      one.client.end = () => {
        count();
        end();
      };
      return one;
    });
    await clock.advance(14_000);
    assert.ok(all.every(({ connection: { streams } }) => streams.size === 0));
    assert.ok(silentOnes.every(({ connection: { state } }) => state === "ending"));
    assert.equal(ended.reduce((sum, count) => sum + count, 0), 300);
    assert.ok(ended.every((count) => count <= 64), `${ended} ended at once`);
  });

  it("of a response that is complete before its request ends if the client takes nothing of it", async () => {
    const { clock, ended } = countingClock();
    const { client, connection, requests } = served({
      clock,
      ...silent,
      times: { requestTimeoutMs: 10_000 },
    }, false);
    client.send(PREFACE, frame.settings([Setting.initialWindowSize, 0]));
    for (let id = 1; id < 200; id += 2) client.request(id, { end: false });
    for (const request of requests) request.respondWith(new Uint8Array(5));
    await clock.advance(9_000);
    assert.equal(connection.streams.size, 100);
    await clock.advance(20_000);
    assert.equal(connection.streams.size, 0);
    assert.ok(ended.length < 20, `${ended.length} sweeps`);
    // Their requests are complete in time as far as anyone needs them.
    assert.ok(requests.every(({ told }) => !told.includes("timeout")));
  });

  it("ends few at once however many connections are too old, and looks no more often at those that aren't", async () => {
    const { clock, ended } = countingClock();
    const sweeper = new Sweeper(clock, 10_000), times = { maxConnectionAgeMs: 10_000 };
    const all = Array.from({ length: 200 }, () => served({ clock, sweeper, times, random: () => 0.5 }));
    for (const { connection } of all) {
      const drain = connection.drain.bind(connection);
      connection.drain = () => {
        if (connection.usable) ended[ended.length - 1]!++;
        drain();
      };
    }
    await clock.advance(9_900);
    assert.deepEqual(ended, [0, 0, 0]);
    await clock.advance(600);
    assert.ok(all.every(({ connection }) => !connection.usable));
    assert.deepEqual(ended, [0, 0, 0, 64, 64, 64, 8]);
  });

  it("needs one timer for all of a server's connections, and none if they are idle", async () => {
    const { clock, connection } = served();
    await clock.advance(20_000);
    assert.deepEqual(clock.pending.map((ms) => ms > 5_000), [true], "keepalive's alone");
    assert.equal(connection.writer.slab.length, 0, "an idle connection needs no memory for frames");
  });
});

describe("keepalive", () => {
  it("pings a silent client, and ends the connection if it doesn't answer", async () => {
    const { client, clock, connection, closed } = served({ keepalive: { intervalMs: 1_000, timeoutMs: 500 } });
    await flushed();
    client.frames();
    await clock.advance(1_000);
    await flushed();
    assert.deepEqual(client.names(), ["ping"]);
    client.send(frame.ping(true));
    await clock.advance(1_600);
    assert.equal(connection.state, "ending");
    client.events.closed();
    assert.match(closed[0]!.message, /no answer to a keepalive ping within 500 ms/);
  });

  it("of clients may be as frequent as allowed, and more so while they are answered", async () => {
    const { client, clock, connection } = served();
    for (let n = 0; n < 20; n++) {
      client.send(frame.ping());
      clock.skip(10_000);
    }
    for (let id = 1; id < 100; id += 2) {
      client.send(frame.headers(id, REQUEST, Flag.endHeaders | Flag.endStream), frame.ping());
    }
    assert.equal(connection.state, "open");
  });

  it("of clients must not be more frequent", async () => {
    const { client, connection } = served();
    for (let n = 0; n < 3; n++) client.send(frame.ping());
    assert.equal(connection.state, "open");
    client.send(frame.ping());
    await flushed();
    assert.equal(connection.state, "ending");
    const goaway = client.all().at(-1)!;
    assert.equal(new TextDecoder().decode(goaway.payload.subarray(8)), "too_many_pings");
  });

  it("of clients without calls may be forbidden", async () => {
    const { client, clock, connection, requests } = served({ ...silent, enforcement: { pingsWithoutCalls: false } });
    client.request(1);
    for (let n = 0; n < 5; n++) {
      client.send(frame.ping());
      clock.skip(20_000);
    }
    assert.equal(connection.state, "open");
    requests[0]!.respondWith(NOTHING);
    for (let n = 0; n < 4; n++) {
      client.send(frame.ping());
      clock.skip(20_000);
    }
    assert.equal(connection.state, "ending");
  });
});
