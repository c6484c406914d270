import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { FrameReader, type FrameSink } from "../../src/http2/wire/frame-reader.ts";
import { concat, encodeFrame } from "../support/raw-http2/frame.ts";
import { frame } from "./memory.ts";

/** Writes down what a reader says; pieces of one DATA frame are joined. */
class Log implements FrameSink {
  readonly lines: string[] = [];
  onData(id: number, chunk: Uint8Array, start: number, end: number, flowLength: number, endStream: boolean): void {
    if (flowLength >= 0) this.lines.push(`data ${id} (${flowLength}): `);
    this.lines[this.lines.length - 1] += [...chunk.subarray(start, end)].map((byte) => `${byte} `).join("") +
      (endStream ? "end" : "");
  }
  onPadding(id: number, bytes: number): void {
    this.lines.push(`padding ${id}: ${bytes}`);
  }
  onHeaders(id: number, block: Uint8Array, start: number, end: number, endStream: boolean): void {
    this.lines.push(`headers ${id}: ${[...block.subarray(start, end)]} ${endStream}`);
  }
  onReset(id: number, code: number): void {
    this.lines.push(`reset ${id}: ${code}`);
  }
  onSettings(payload: Uint8Array, start: number, end: number): void {
    this.lines.push(`settings ${[...payload.subarray(start, end)]}`);
  }
  onSettingsAck(): void {
    this.lines.push("settings ack");
  }
  onPing(payload: Uint8Array, start: number): void {
    this.lines.push(`ping ${[...payload.subarray(start, start + 8)]}`);
  }
  onPingAck(payload: Uint8Array, start: number): void {
    this.lines.push(`ping ack ${[...payload.subarray(start, start + 8)]}`);
  }
  onGoaway(last: number, code: number, debug: Uint8Array): void {
    this.lines.push(`goaway ${last} ${code} ${[...debug]}`);
  }
  onWindowUpdate(id: number, increment: number): void {
    this.lines.push(`window ${id}: ${increment}`);
  }
  onIgnored(): void {
    this.lines.push("ignored");
  }
}

const id = fc.integer({ min: 1, max: 0x7fff_ffff });
const payload = fc.uint8Array({ maxLength: 40 });
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const frames = fc.oneof(
  fc.tuple(id, payload, fc.constantFrom(0, 1)).map(([id, bytes, flags]) => frame.data(id, bytes, flags)),
  fc.tuple(id, payload, fc.nat(9)).map(([id, bytes, padding]) =>
    encodeFrame(0, 0x8, id, concat(new Uint8Array([padding]), bytes, new Uint8Array(padding)))
  ),
  fc.tuple(id, payload, fc.constantFrom(4, 5)).map(([id, bytes, flags]) => frame.block(id, bytes, flags)),
  fc.tuple(id, payload, fc.nat(9)).map(([id, bytes, padding]) =>
    encodeFrame(1, 0x2c, id, concat(new Uint8Array([padding, 1, 2, 3, 4, 5]), bytes, new Uint8Array(padding)))
  ),
  fc.tuple(id, payload, payload, payload).map(([id, a, b, c]) =>
    concat(frame.block(id, a, 1), frame.continuation(id, b, 0), frame.continuation(id, c, 4))
  ),
  fc.tuple(id, uint32).map(([id, code]) => frame.reset(id, code)),
  fc.tuple(id, uint32).map(([id, by]) => frame.windowUpdate(id, by & 0x7fff_ffff)),
  fc.tuple(uint32, uint32, fc.string()).map(([last, code, debug]) => frame.goaway(last & 0x7fff_ffff, code, debug)),
  fc.array(fc.tuple(fc.nat(0xffff), uint32), { maxLength: 4 }).map((settings) => frame.settings(...settings)),
  fc.constant(frame.settingsAck()),
  fc.boolean().map((ack) => frame.ping(ack)),
  payload.map((bytes) => encodeFrame(0x42, 0xff, 7, bytes)),
);

describe("a frame reader", () => {
  it("reads the same from any cut of the bytes into chunks", () => {
    fc.assert(
      fc.property(
        fc.array(frames, { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
        (all, cuts) => {
          const bytes = concat(frame.settings(), ...all);
          const whole = new Log();
          new FrameReader(whole, 1 << 16).read(bytes);
          const pieces = new Log();
          const reader = new FrameReader(pieces, 1 << 16);
          for (let at = 0, i = 0; at < bytes.length; i++) {
            const to = at + cuts[i % cuts.length]!;
            reader.read(bytes.slice(at, to));
            at = to;
          }
          assert.deepEqual(pieces.lines, whole.lines);
          assert.ok(whole.lines.length > all.length);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("hands nothing on after it was stopped from within", () => {
    const log = new Log();
    const reader = new FrameReader(log, 1 << 16);
    log.onIgnored = () => {
      log.lines.push("stop");
      reader.stop();
    };
    reader.read(concat(frame.settings(), encodeFrame(0x42, 0, 0, new Uint8Array(1)), frame.ping()));
    reader.read(frame.ping());
    assert.deepEqual(log.lines, ["settings ", "stop"]);
  });
});
