// Frames at random: mostly of a right shape, on streams that exist.
import { concat, encodeFrame } from "../support/raw-http2/frame.ts";
import { type Field, headerBlock, integer, stringLiteral } from "../support/raw-http2/header-block.ts";
import { frame } from "../http2/memory.ts";
import { mutate, noise, oneOf, type Random } from "./random.ts";

/** What the peer usually sends in a header section. */
export interface UsualHead {
  readonly fields: readonly Field[];
  /** An entry of HPACK's static table that may begin one. */
  readonly index: number;
  readonly names: readonly string[];
}

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
export function block(random: Random, usual: UsualHead): Uint8Array {
  if (random(4) === 0) return noise(random, random(60));
  const values = ["200", "0", "application/grpc", "100", "7", "v".repeat(random(300)), "a\nb", ""];
  const fields = Array.from({ length: random(6) }, () => [oneOf(random, usual.names), values[random(8)]!] as const);
  const parts = [
    random(3) === 0 ? new Uint8Array([0x80 | usual.index]) : headerBlock(usual.fields),
    headerBlock(fields),
  ];
  if (random(3) === 0) parts.push(huffmanField(random));
  if (random(3) === 0) parts.push(new Uint8Array([0x80 | random(128)]));
  if (random(5) === 0) parts.unshift(new Uint8Array([0x20 | random(32)]));
  if (random(3) === 0) parts.push(concat(new Uint8Array([0x40]), headerBlock([["x-b", "c"]]).subarray(1)));
  return mutate(random, concat(...parts));
}

/** One frame: mostly of a right shape on a stream that exists. */
export function anyFrame(random: Random, streams: number, usual: UsualHead): Uint8Array {
  const id = random(12) === 0 ? random(20) : 1 + 2 * random(streams);
  switch (random(14)) {
    case 0:
    case 1:
      return frame.block(id, block(random, usual), 4 | random(2) | (random(9) === 0 ? random(256) : 0));
    case 2:
    case 3:
      return frame.data(id, noise(random, random(200)), random(4) === 0 ? 1 : 0);
    case 4:
      return encodeFrame(0, 0x8 | random(2), id, noise(random, random(40)));
    case 5: {
      const whole = block(random, usual);
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
      return mutate(random, frame.block(id, headerBlock(usual.fields)));
  }
}
