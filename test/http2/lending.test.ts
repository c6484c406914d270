import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Http2Limits } from "../../src/http2/limits.ts";
import { processLoans } from "../../src/http2/lender.ts";
import { encodeFrame, ErrorCode, Flag, FrameType, Setting } from "../support/raw-http2/frame.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { flushed, frame, OK, pair } from "./memory.ts";
import type { Pair, TestStream } from "./memory.ts";

const BASE = 65_536;
const MIB = 1 << 20;

/** A server that sends as much as it may. */
class Greedy {
  readonly clock = new ManualClock();
  readonly pair: Pair;
  /** PINGs that were not answered yet. */
  readonly pings: Uint8Array[] = [];
  pingsEver = 0;
  #connection = 65_535;
  readonly #allowed = new Map<number, number>();

  constructor(limits?: Http2Limits) {
    this.pair = pair({ clock: this.clock, limits });
    this.pair.server.send(frame.settingsAck());
  }

  /** A stream whose reader reads only what the test says. */
  open(reads = false): TestStream {
    const stream = this.pair.request({ reads });
    this.pair.server.send(frame.headers(stream.id, OK));
    this.#allowed.set(stream.id, this.pair.connection.limits.streamWindowBytes);
    return stream;
  }

  /** Hears what the client said. */
  async hear(): Promise<void> {
    await flushed();
    for (const { type, flags, streamId, payload } of this.pair.server.frames()) {
      if (type === FrameType.windowUpdate) {
        const increment = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
        if (streamId === 0) this.#connection += increment;
        else this.#allowed.set(streamId, this.allowed(streamId) + increment);
      } else if (type === FrameType.ping && (flags & Flag.ack) === 0) {
        this.pings.push(payload);
        this.pingsEver++;
      }
    }
  }

  /** What the server may send on a stream. */
  allowed(id: number): number {
    return this.#allowed.get(id)!;
  }

  /** Sends what it may on a stream, once; how much that was. */
  async fill({ id }: TestStream, most = Infinity, endStream = false): Promise<number> {
    await this.hear();
    let sent = 0;
    while (sent < most) {
      const bytes = Math.min(this.allowed(id), this.#connection, 16_384, most - sent);
      if (bytes <= 0) break;
      this.pair.server.send(frame.data(id, new Uint8Array(bytes)));
      this.#allowed.set(id, this.allowed(id) - bytes);
      this.#connection -= bytes;
      sent += bytes;
      if (this.#connection < MIB) await this.hear();
    }
    if (endStream) this.pair.server.send(frame.headers(id, [["grpc-status", "0"]], Flag.endHeaders | Flag.endStream));
    return sent;
  }

  answer(): void {
    for (const payload of this.pings.splice(0)) {
      this.pair.server.send(encodeFrame(FrameType.ping, Flag.ack, 0, payload));
    }
  }

  /** Round trips of a path with a delay in which a stream is read as fast as it comes; the bytes of each. */
  async roundTrips(stream: TestStream, count: number, bandwidth = Infinity): Promise<number[]> {
    const sent: number[] = [];
    for (let i = 0; i < count; i++) {
      const bytes = await this.fill(stream, bandwidth);
      sent.push(bytes);
      await this.clock.advance(20);
      await this.hear();
      this.answer();
      stream.consumed(bytes);
    }
    return sent;
  }
}

describe("windows of streams", () => {
  it("40 streams, each read once and left, may hold 64 KiB each and one loan of the connection", async () => {
    const greedy = new Greedy();
    // A path so fast that every stream would like to have as much as there is.
    await greedy.roundTrips(greedy.open(), 10);
    let held = 0;
    const streams = Array.from({ length: 40 }, () => greedy.open());
    for (const stream of streams) {
      const first = await greedy.fill(stream);
      stream.consumed(first);
      held -= first;
      await greedy.hear();
      greedy.answer();
    }
    for (let i = 0; i < 3; i++) for (const stream of streams) await greedy.fill(stream);
    for (const stream of streams) held += stream.bytes + greedy.allowed(stream.id);
    assert.ok(held <= 40 * BASE + 16 * MIB, `${held} bytes`);
    assert.deepEqual(greedy.pair.told, ["ready"]);
  });

  it("200 streams that nobody reads hold 64 KiB each, and others go on", async () => {
    const greedy = new Greedy();
    const streams = Array.from({ length: 200 }, () => greedy.open());
    let sent = 0;
    for (let i = 0; i < 3; i++) for (const stream of streams) sent += await greedy.fill(stream);
    assert.equal(sent, 200 * BASE);
    assert.equal(greedy.pingsEver, 0, "nothing is measured where nothing is read");
    const other = await greedy.roundTrips(greedy.open(), 8);
    assert.ok(other.at(-1)! > MIB, `${other}`);
  });

  it("one that is read as fast as it comes grows to bandwidth × delay, and no further", async () => {
    const greedy = new Greedy();
    const stream = greedy.open();
    const unbounded = await greedy.roundTrips(stream, 10);
    assert.deepEqual(unbounded.slice(0, 2), [BASE, BASE]);
    for (let i = 2; i < 8; i++) assert.ok(unbounded[i]! > 1.9 * unbounded[i - 1]!, `${unbounded}`);
    assert.ok(unbounded.at(-1)! <= 8 * MIB + BASE, "half of the pool is left to others");
    const other = new Greedy();
    const trips = await other.roundTrips(other.open(), 30, 500_000);
    assert.deepEqual(trips.slice(-20), new Array(20).fill(500_000));
    const { lentBytes } = other.pair.connection.lender;
    assert.ok(lentBytes <= 2 * 500_000, `${lentBytes} bytes are lent`);
  });

  it("the loan comes back when what comes is little again, and what was measured is forgotten", async () => {
    const greedy = new Greedy();
    const stream = greedy.open();
    await greedy.roundTrips(stream, 8);
    assert.ok(greedy.pair.connection.lender.lentBytes > MIB);
    await greedy.clock.advance(20_000);
    await greedy.hear();
    const idle = greedy.allowed(stream.id);
    let sent = 0;
    for (let i = 0; i < 1_000 && greedy.pair.connection.lender.lentBytes > 0; i++) {
      sent += await greedy.fill(stream, 60_000);
      stream.consumed(60_000);
    }
    assert.equal(greedy.pair.connection.lender.lentBytes, 0);
    assert.ok(sent < 3 * idle, `${sent} bytes of ${idle}`);
    await greedy.hear();
    assert.ok(greedy.allowed(stream.id) <= BASE);
  });

  it("a stream's loan ends with it, and what it still holds counts until that is read", async () => {
    const greedy = new Greedy();
    const stream = greedy.open();
    await greedy.roundTrips(stream, 8);
    const unread = await greedy.fill(stream, Infinity, true);
    const { lender } = greedy.pair.connection;
    assert.deepEqual([stream.done, lender.lentBytes], [true, unread - BASE]);
    stream.consumed(unread - BASE - 10);
    assert.equal(lender.lentBytes, 10);
    stream.consumed(1_000_000);
    assert.equal(lender.lentBytes, 0);
    const cancelled = greedy.open();
    await greedy.roundTrips(cancelled, 8);
    assert.ok(lender.lentBytes > 0);
    cancelled.cancel();
    assert.equal(lender.lentBytes, 0);
  });

  it("a stream that ended with its connection is in none of its queues, which a loan would keep in memory", async () => {
    for (const window of [0, 65_535]) {
      const { connection, server, request } = pair({}, false);
      server.send(frame.settings([Setting.initialWindowSize, window]), frame.settingsAck());
      const [stream, other] = [0, 1].map(() => request({ reads: false, body: new Uint8Array(100_000) }));
      server.send(frame.headers(stream!.id, OK));
      stream!.expects(MIB);
      await flushed();
      for (let i = 0; i < 32; i++) server.send(frame.data(stream!.id, new Uint8Array(16_384)));
      server.events.closed();
      assert.deepEqual([connection.lender.lentBytes, stream!.error?.by], [512 * 1024 - BASE, "connection"]);
      for (const { queue, after, before, stalledAt } of [stream!, other!]) {
        assert.deepEqual([queue, after, before, stalledAt], [undefined, undefined, undefined, -1]);
      }
      stream!.consumed(MIB);
    }
  });

  it("all connections of the process share a bound, and streams of one its own", async () => {
    const before = processLoans.bytes;
    const limits = { maxProcessLentBytes: before + 3 * MIB };
    const [a, b] = [new Greedy(limits), new Greedy(limits)];
    for (const greedy of [a, b, a, b, b]) await greedy.roundTrips(greedy.open(), 8);
    const lent = [a, b].map(({ pair }) => pair.connection.lender.lentBytes);
    assert.ok(lent[0]! + lent[1]! <= 3 * MIB && lent.every((bytes) => bytes > 100_000), `${lent}`);
    assert.equal(processLoans.bytes - before, lent[0]! + lent[1]!);
    const own = new Greedy({ maxLentBytes: MIB });
    for (let i = 0; i < 5; i++) await own.roundTrips(own.open(), 8);
    assert.ok(own.pair.connection.lender.lentBytes <= MIB);
    for (const { pair: { connection } } of [a, b, own]) connection.close(0, 0);
    assert.equal(processLoans.bytes, before);
  });

  it("a message that is waited for may come at once", async () => {
    const greedy = new Greedy();
    const stream = greedy.open();
    stream.expects(5 * MIB);
    await greedy.hear();
    assert.equal(greedy.allowed(stream.id), 5 * MIB);
    stream.expects(5 * MIB);
    await greedy.hear();
    assert.equal(greedy.allowed(stream.id), 5 * MIB, "once is enough");
    const bytes = await greedy.fill(stream);
    stream.consumed(bytes);
    await greedy.hear();
    assert.deepEqual([bytes, greedy.allowed(stream.id)], [5 * MIB, BASE]);
    assert.equal(greedy.pair.connection.lender.lentBytes, 0);
  });

  it("are fixed where the user sets their size: nothing is lent or measured", async () => {
    const greedy = new Greedy({ streamWindowBytes: 100_000 });
    const stream = greedy.open();
    assert.deepEqual(await greedy.roundTrips(stream, 5), new Array(5).fill(100_000));
    stream.expects(MIB);
    await greedy.hear();
    assert.deepEqual([greedy.pingsEver, greedy.allowed(stream.id)], [0, 100_000]);
  });
});

describe("pings that measure the bandwidth", () => {
  it("go out one at a time, after DATA, and only where half of a window was used", async () => {
    const greedy = new Greedy();
    const stream = greedy.open();
    await greedy.fill(stream, 32_767);
    stream.consumed(32_767);
    await greedy.hear();
    assert.equal(greedy.pingsEver, 0);
    await greedy.fill(stream, 20_000);
    stream.consumed(20_000);
    await greedy.hear();
    assert.equal(greedy.pingsEver, 0, "no DATA came since");
    for (let i = 0; i < 20; i++) stream.consumed(await greedy.fill(stream));
    await greedy.hear();
    assert.equal(greedy.pingsEver, 1, "the first is not answered");
    await greedy.clock.advance(20);
    greedy.answer();
    stream.consumed(await greedy.fill(stream));
    await greedy.hear();
    assert.equal(greedy.pingsEver, 1);
    await greedy.fill(stream, 1);
    await greedy.hear();
    assert.equal(greedy.pingsEver, 2);
  });

  it("come seldom once nothing new is found", async () => {
    const greedy = new Greedy();
    const stream = greedy.open();
    await greedy.roundTrips(stream, 20, 300_000);
    const before = greedy.pingsEver;
    await greedy.roundTrips(stream, 150, 300_000);
    assert.ok(greedy.pingsEver - before <= 6, `${greedy.pingsEver - before} in 3 s`);
  });

  it("are answered by their own payload alone; keepalive's is another, and a false answer is noise", async () => {
    const greedy = new Greedy();
    const stream = greedy.open();
    await greedy.fill(stream);
    stream.consumed(BASE);
    await greedy.fill(stream, 1);
    await greedy.hear();
    greedy.pair.server.send(frame.ping(true));
    assert.notDeepEqual([...greedy.pings[0]!], new Array(8).fill(0));
    assert.equal(greedy.pair.connection.lender.pinged(greedy.pings[0]!, 0), true);
    assert.equal(greedy.pair.connection.lender.pinged(greedy.pings[0]!, 0), false);
    for (let i = 0; i < 20_000 && stream.error === undefined; i++) {
      greedy.pair.server.send(encodeFrame(FrameType.ping, Flag.ack, 0, greedy.pings[0]!));
    }
    assert.equal(stream.error?.code, ErrorCode.enhanceYourCalm);
  });
});
