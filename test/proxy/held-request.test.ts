import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { HeldBytes, HeldRequest } from "../../src/proxy/held-request.ts";
import { concat } from "../support/raw-http2/frame.ts";

const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 600 }), fc.integer({ min: 601, max: 16_384 })), {
  maxLength: 12,
});

/** A chunk of a socket's with a piece in its middle. */
function piece(size: number, fill: number, around: number): { chunk: Uint8Array; start: number; end: number } {
  const chunk = new Uint8Array(size + 2 * around);
  chunk.fill(fill, around, around + size);
  return { chunk, start: around, end: around + size };
}

describe("what is held of a request", () => {
  it("is all of it, in order, whatever becomes of the chunks that it does not keep", () => {
    fc.assert(fc.property(sizes, fc.integer({ min: 0, max: 30_000 }), (sizes, around) => {
      const held = new HeldBytes(), request = new HeldRequest(held);
      sizes.forEach((size, i) => {
        const { chunk, start, end } = piece(size, i + 1, around);
        if (!request.add(chunk, start, end, false)) chunk.fill(0xff);
      });
      const wanted = concat(...sizes.map((size, i) => new Uint8Array(size).fill(i + 1)));
      assert.deepEqual(concat(...request.pieces()), wanted);
      assert.equal(held.bytes, wanted.length);
      request.drop();
      assert.equal(held.bytes, 0);
    }));
  });

  it("stays as it is for an attempt that has it, while other requests come and go", () => {
    const held = new HeldBytes();
    const add = (request: HeldRequest, fill: number) => {
      const { chunk, start, end } = piece(4_000, fill, 100);
      assert.equal(request.add(chunk, start, end, true), false);
    };
    const first = new HeldRequest(held);
    add(first, 1);
    const pieces = first.pieces();
    first.drop();
    for (let i = 0; i < 3; i++) {
      const other = new HeldRequest(held);
      add(other, 2);
      // Nobody has asked for it: its memory may be used again.
      other.drop();
    }
    assert.deepEqual(concat(...pieces), new Uint8Array(4_000).fill(1));
  });

  it("is not held beyond 64 KiB once everything was sent", () => {
    const held = new HeldBytes(), request = new HeldRequest(held);
    for (let i = 0; i < 5; i++) {
      const { chunk, start, end } = piece(16_000, 1, 0);
      request.add(chunk, start, end, true);
    }
    assert.equal(request.whole, false);
    assert.deepEqual(request.pieces(), []);
    assert.equal(held.bytes, 0);
    const { chunk, start, end } = piece(16_000, 1, 0);
    assert.equal(request.add(chunk, start, end, true), false, "it keeps nothing more");
  });
});
