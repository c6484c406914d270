import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Code, ConnectError } from "@connectrpc/connect";
import { EnvelopeReader, messagePrefix } from "../../src/grpc/envelope.ts";
import { concat } from "../support/raw-http2/frame.ts";
import { envelope } from "../support/raw-http2/session.ts";

describe("an envelope reader", () => {
  it("gives the messages that were put in, from any cut into pieces, read at any time", () => {
    const messages = fc.array(fc.tuple(fc.nat(255), fc.uint8Array({ maxLength: 2_000 })), { maxLength: 12 });
    const cuts = fc.array(fc.integer({ min: 1, max: 1_500 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(messages, cuts, fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }), (put, cuts, reads) => {
        const bytes = concat(...put.map(([flags, message]) => envelope(message, flags)));
        const reader = new EnvelopeReader(0xffff_ffff);
        const got: [number, Uint8Array][] = [];
        const read = () => {
          for (let next = reader.next(); next !== undefined; next = reader.next()) got.push([next.flags, next.bytes]);
        };
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const to = at + cuts[i % cuts.length]!;
          reader.push(bytes.subarray(at, to));
          at = to;
          if (reads[i % reads.length]) read();
        }
        read();
        assert.deepEqual([reader.incomplete, reader.bytes], [false, 0]);
        assert.deepEqual(got.map(([flags, message]) => [flags, [...message]]), put.map(([f, m]) => [f, [...m]]));
      }),
      { numRuns: 300 },
    );
  });

  it("doesn't keep a view for each piece of a byte: it copies them, one behind the other", () => {
    const reader = new EnvelopeReader(0xffff_ffff);
    const messages = [1, 2, 3].map((byte) => new Uint8Array(100).fill(byte));
    const bytes = concat(...messages.map((message) => envelope(message)));
    bytes.forEach((byte, i) => {
      const piece = new Uint8Array([byte]);
      reader.push(piece);
      // The first is used as it is.
      if (i > 0) piece[0] = 0xff;
    });
    const read = messages.map(() => reader.next()!.bytes);
    assert.deepEqual(read.map((message) => [...message]), messages.map((message) => [...message]));
    // What is in one piece is not copied again.
    assert.equal(read[1]!.buffer, read[2]!.buffer);
  });

  it("assembles a message of a million pieces of a byte", () => {
    const reader = new EnvelopeReader(0xffff_ffff);
    reader.push(messagePrefix(0, 1_000_000).slice());
    assert.equal(reader.next(), undefined);
    for (let i = 0; i < 1_000_000; i++) reader.push(new Uint8Array([i]));
    assert.equal(reader.next()?.bytes.length, 1_000_000);
  });

  it("doesn't keep whole chunks of the socket for the small messages in them", () => {
    const reader = new EnvelopeReader(0xffff_ffff);
    const small = envelope(new Uint8Array(1_000));
    for (let i = 0; i < 1_000; i++) {
      const chunk = new Uint8Array(65_536);
      chunk.set(small, 100);
      reader.push(chunk.subarray(100, 100 + small.length));
    }
    const kept = new Set<ArrayBufferLike>();
    for (let next = reader.next(); next !== undefined; next = reader.next()) kept.add(next.bytes.buffer);
    const bytes = [...kept].reduce((sum, { byteLength }) => sum + byteLength, 0);
    assert.ok(bytes < 2_000_000, `${bytes} bytes are kept for 1,000,000`);
  });

  it("doesn't keep whole chunks of the socket for pieces that wait for long, however large they are", () => {
    for (const size of [4_096, 5_000, 16_384]) {
      const reader = new EnvelopeReader(0xffff_ffff);
      const message = envelope(new Uint8Array(size - 5));
      for (let i = 0; i < 100; i++) {
        const chunk = new Uint8Array(65_536);
        chunk.set(message, 100);
        reader.push(chunk, 100, 100 + size);
      }
      const kept = new Set<ArrayBufferLike>();
      let read = 0;
      for (let next = reader.next(); next !== undefined; next = reader.next(), read++) kept.add(next.bytes.buffer);
      const bytes = [...kept].reduce((sum, { byteLength }) => sum + byteLength, 0);
      assert.equal(read, 100);
      assert.ok(bytes < 2 * 100 * size + 2 * 65_536, `${bytes} bytes are kept for ${100 * size}`);
    }
  });

  it("takes a few kilobytes at most for a small piece that waits, as thousands of requests may never end", () => {
    const reader = new EnvelopeReader(0xffff_ffff);
    const allocated: number[] = [];
    const { Uint8Array: Original } = globalThis;
    class Counting extends Original {
      constructor(length: number) {
        super(length);
        allocated.push(length);
      }
    }
    const [head, rest] = [messagePrefix(0, 9_000).slice(), new Original(100)];
    globalThis.Uint8Array = Counting as unknown as typeof Uint8Array;
    try {
      reader.push(head);
      reader.push(rest);
    } finally {
      globalThis.Uint8Array = Original;
    }
    assert.equal(reader.next(), undefined);
    assert.ok(allocated.reduce((sum, bytes) => sum + bytes, 0) <= 4_096, `${allocated} bytes were allocated`);
  });

  it("refuses a message above its limit before it comes", () => {
    const reader = new EnvelopeReader(1_000);
    reader.push(messagePrefix(0, 1_001).slice());
    assert.throws(
      () => reader.next(),
      (error) => error instanceof ConnectError && error.code === Code.ResourceExhausted,
    );
  });
});
