// Generated traffic against the HTTP/2 client: every outcome must be a value or a typed error, never a crash, a hang or
// growth. Each case is made from a seed alone, so a failing one can be run again.
import { Http2Error } from "../../src/http2/wire/error.ts";
import { HpackDecoder } from "../../src/http2/wire/hpack-decoder.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { concat, encodeFrame } from "../support/raw-http2/frame.ts";
import { headerBlock, integer, stringLiteral } from "../support/raw-http2/header-block.ts";
import { hpackTableBytes } from "../support/raw-http2/hpack-table.ts";
import { frame, OK, pair, type TestStream } from "../http2/memory.ts";
import { grpcCase } from "./grpc.ts";
import { checkLost } from "./lost.ts";
import { generator, mutate, noise, oneOf, type Random } from "./random.ts";

/** Huffman-encoded strings of RFC 7541's examples; what is made of them by chance is mostly none. */
const HUFFMAN = [
  [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff],
  [0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf],
  [0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf],
].map((code) => Uint8Array.from(code));

/** A field whose value is Huffman-encoded, or claims to be. */
function huffmanField(random: Random): Uint8Array {
  const code = mutate(random, random(4) === 0 ? noise(random, random(20)) : oneOf(random, HUFFMAN));
  return concat(new Uint8Array([0x00]), stringLiteral("x-h"), integer(0x80, 7, code.length), code);
}

/** A header block: honest, then perhaps changed, or noise altogether. */
function block(random: Random): Uint8Array {
  if (random(4) === 0) return noise(random, random(60));
  const names = [":status", "content-type", "grpc-status", "x-a", "content-length", "X-Bad", "connection", ""];
  const values = ["200", "0", "application/grpc", "100", "7", "v".repeat(random(300)), "a\nb", ""];
  const fields = Array.from({ length: random(6) }, () => [names[random(8)]!, values[random(8)]!] as const);
  const parts = [random(3) === 0 ? new Uint8Array([0x88]) : headerBlock(OK), headerBlock(fields)];
  if (random(3) === 0) parts.push(huffmanField(random));
  if (random(3) === 0) parts.push(new Uint8Array([0x80 | random(128)]));
  if (random(5) === 0) parts.unshift(new Uint8Array([0x20 | random(32)]));
  if (random(3) === 0) parts.push(concat(new Uint8Array([0x40]), headerBlock([["x-b", "c"]]).subarray(1)));
  return mutate(random, concat(...parts));
}

/** One frame: mostly of a right shape on a stream that exists. */
function anyFrame(random: Random, streams: number): Uint8Array {
  const id = random(12) === 0 ? random(20) : 1 + 2 * random(streams);
  switch (random(14)) {
    case 0:
    case 1:
      return frame.block(id, block(random), 4 | random(2) | (random(9) === 0 ? random(256) : 0));
    case 2:
    case 3:
      return frame.data(id, noise(random, random(200)), random(4) === 0 ? 1 : 0);
    case 4:
      return encodeFrame(0, 0x8 | random(2), id, noise(random, random(40)));
    case 5: {
      const whole = block(random);
      const at = random(whole.length + 1);
      return concat(frame.block(id, whole.subarray(0, at), random(2)), frame.continuation(id, whole.subarray(at), 4));
    }
    case 6:
      return frame.reset(id, random(20));
    case 7:
      return frame.settings([random(9), random(3) === 0 ? random(0xffff_ffff) : random(70_000)]);
    case 8:
      return random(2) === 0 ? frame.settingsAck() : frame.ping(random(2) === 0);
    case 9:
      return random(8) === 0 ? frame.goaway(random(8), random(14), "why") : frame.ping();
    case 10:
      return frame.windowUpdate(random(3) === 0 ? 0 : id, random(9) === 0 ? random(0x7fff_ffff) : random(5_000));
    case 11:
      return encodeFrame(random(16), random(256), id, noise(random, random(20)));
    case 12:
      return encodeFrame(random(10), random(256), random(20), noise(random, random(20)), random(40));
    default:
      return mutate(random, frame.block(id, headerBlock(OK)));
  }
}

/** A connection that is sent random frames in random pieces while requests come and go. */
export function connectionCase(seed: number): void {
  const random = generator(seed);
  const limits = { maxHeaderListBytes: 1_024 + random(2_000), streamWindowBytes: 1 + random(2_000) };
  const { server, connection, request, lost } = pair({ limits, clock: new ManualClock() }, random(20) > 0);
  const streams: TestStream[] = [];
  for (let step = 0; step < 40 && connection.state !== "lost"; step++) {
    const doing = random(10);
    if (doing < 2) {
      streams.push(request({ reads: random(2) === 0, end: random(2) === 0, body: noise(random, random(300)) }));
    } else if (doing === 2 && streams.length > 0) {
      const stream = streams[random(streams.length)]!;
      if (random(3) === 0) stream.cancel();
      else if (random(2) === 0) stream.end();
      else stream.write(noise(random, 5), noise(random, random(100_000)), false);
    } else if (doing === 3) {
      server.full = random(2) === 0;
      connection.writer.flush();
      if (!server.full) server.events.writable();
    } else {
      const sent = anyFrame(random, Math.max(1, streams.length));
      const at = random(sent.length + 1);
      server.events.data(sent.subarray(0, at));
      server.events.data(sent.subarray(at));
    }
    const waiting = connection.writer.waitingBytes;
    if (waiting > 1 << 20) throw new Error(`case ${seed}: ${waiting} bytes wait`);
  }
  const end = new Error("the end of the case");
  server.events.closed(end);
  connection.writer.flush();
  if (lost.length !== 1) throw new Error(`case ${seed}: lost was told ${lost.length} times`);
  checkLost(seed, lost, end);
  for (const stream of streams) {
    if (!stream.closed) throw new Error(`case ${seed}: stream ${stream.id} is left ${stream.state}`);
    if (stream.done && stream.error !== undefined) throw new Error(`case ${seed}: stream ${stream.id} ended twice`);
  }
  if (connection.requests.active.size + connection.requests.waiting > 0) {
    throw new Error(`case ${seed}: streams are left`);
  }
}

/** Header blocks into one decoder: a block or a typed error, and a table within its bound. */
export function hpackCase(seed: number): void {
  const random = generator(seed);
  const hpack = new HpackDecoder(random(2) === 0 ? 4_096 : random(200), 1_000);
  for (let i = 0; i < 10; i++) {
    const input = random(3) === 0 ? noise(random, random(40)) : block(random);
    try {
      const decoded = hpack.decode(input, 0, input.length);
      if (decoded.fields.join("").length > 1_000) throw new Error(`case ${seed}: a header list above its limit`);
    } catch (error) {
      if (!(error instanceof Http2Error && error.code === 9)) throw error;
      return;
    }
    const tableBytes = hpackTableBytes(hpack);
    if (tableBytes > 4_096) throw new Error(`case ${seed}: the table has ${tableBytes} bytes`);
  }
}

/** The cases by name. `share`: how many of what a run is asked for it makes; gRPC replies take ten times as long. */
export const CASES: Record<string, { play(seed: number): void | Promise<void>; share: number }> = {
  frames: { play: connectionCase, share: 1 },
  "header blocks": { play: hpackCase, share: 1 },
  "gRPC replies": { play: grpcCase, share: 1 / 10 },
};

/**
 * Runs `count` cases from `seed` on, as many of each kind as its share.
 *
 * @throws what a case throws that isn't a typed error, with its seed
 */
export async function run(count: number, seed: number): Promise<void> {
  for (const [name, { play, share }] of Object.entries(CASES)) {
    for (let i = 0; i < count * share; i++) {
      try {
        await play(seed + i);
      } catch (error) {
        throw new Error(`${name}: case ${seed + i} failed`, { cause: error });
      }
    }
  }
}
