/** An unsigned number of 64 bits as two of 32. */
export interface Uint64 {
  high: number;
  low: number;
}

/** The seed of most hashes. */
export const NO_SEED: Readonly<Uint64> = { high: 0, low: 0 };

/**
 * XXH64 of a text's UTF-8 bytes: the hash by which gRPC's policies compare keys and addresses. It is computed in halves
 * of 32 bits, because BigInt would allocate a dozen times per key. The result, with both halves unsigned, is written to
 * `into`.
 */
export function xxh64(text: string, seed: Readonly<Uint64>, into: Uint64): void {
  const length = asciiBytes(text);
  if (length >= 0) hash(scratch, length, seed);
  else {
    const bytes = encoder.encode(text);
    hash(bytes, bytes.length, seed);
  }
  into.high = result.high >>> 0;
  into.low = result.low >>> 0;
}

const encoder = new TextEncoder();

/** Where the bytes of short ASCII texts are put: most keys and all addresses are such. */
const scratch = new Uint8Array(256);

/** How many bytes of `scratch` the text fills; -1 if it does not fit or is not ASCII. */
function asciiBytes(text: string): number {
  const { length } = text;
  if (length > scratch.length) return -1;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return -1;
    scratch[i] = code;
  }
  return length;
}

/** Arithmetic modulo 2⁶⁴, in place. The halves are signed. */
class Word implements Uint64 {
  high = 0;
  low = 0;

  set(high: number, low: number): this {
    this.high = high | 0;
    this.low = low | 0;
    return this;
  }

  add(high: number, low: number): this {
    const sum = (this.low >>> 0) + (low >>> 0);
    this.high = this.high + high + (sum > 0xffff_ffff ? 1 : 0) | 0;
    this.low = sum | 0;
    return this;
  }

  xor(high: number, low: number): this {
    this.high ^= high;
    this.low ^= low;
    return this;
  }

  multiply(high: number, low: number): this {
    const own = this.low >>> 0;
    // Each product is below 2⁴⁹, so it is exact.
    const upper = own * (low >>> 16) + Math.floor(own * (low & 0xffff) / 0x1_0000);
    this.high = Math.floor(upper / 0x1_0000) + Math.imul(this.high, low) + Math.imul(own, high) | 0;
    this.low = Math.imul(own, low);
    return this;
  }

  /** By 1 to 31 bits. */
  rotateLeft(bits: number): this {
    const { high, low } = this;
    this.high = high << bits | low >>> (32 - bits);
    this.low = low << bits | high >>> (32 - bits);
    return this;
  }
}

// The primes of XXH64, in halves.
const P1H = 0x9e3779b1, P1L = 0x85ebca87;
const P2H = 0xc2b2ae3d, P2L = 0x27d4eb4f;
const P3H = 0x165667b1, P3L = 0x9e3779f9;
const P4H = 0x85ebca77, P4L = 0xc2b2ae63;
const P5H = 0x27d4eb2f, P5L = 0x165667c5;

const result = new Word(), lane = new Word();
const lanes = [new Word(), new Word(), new Word(), new Word()] as const;
const LANE_TURNS = [1, 7, 12, 18] as const;

/** Writes the hash of the first `length` bytes to `result`. */
function hash(bytes: Uint8Array, length: number, seed: Readonly<Uint64>): void {
  const { high, low } = seed;
  let at = 0;
  if (length < 32) result.set(high, low).add(P5H, P5L);
  else at = hashStripes(bytes, length, seed);
  result.add(0, length);
  for (; at + 8 <= length; at += 8) {
    mixed(lane.set(0, 0), bytes, at);
    result.xor(lane.high, lane.low).rotateLeft(27).multiply(P1H, P1L).add(P4H, P4L);
  }
  if (at + 4 <= length) {
    lane.set(0, uint32(bytes, at)).multiply(P1H, P1L);
    result.xor(lane.high, lane.low).rotateLeft(23).multiply(P2H, P2L).add(P3H, P3L);
    at += 4;
  }
  for (; at < length; at++) {
    lane.set(0, bytes[at]!).multiply(P5H, P5L);
    result.xor(lane.high, lane.low).rotateLeft(11).multiply(P1H, P1L);
  }
  result.xor(0, result.high >>> 1).multiply(P2H, P2L);
  result.xor(result.high >>> 29, result.low >>> 29 | result.high << 3).multiply(P3H, P3L);
  result.xor(0, result.high);
}

/** Hashes whole stripes of 32 bytes; returns where the rest begins. */
function hashStripes(bytes: Uint8Array, length: number, { high, low }: Readonly<Uint64>): number {
  const [first, second, third, fourth] = lanes;
  first.set(high, low).add(P1H, P1L).add(P2H, P2L);
  second.set(high, low).add(P2H, P2L);
  third.set(high, low);
  // Minus the first prime.
  fourth.set(high, low).add(~P1H, ~P1L).add(0, 1);
  let at = 0;
  for (; at + 32 <= length; at += 32) {
    for (let i = 0; i < 4; i++) mixed(lanes[i]!, bytes, at + 8 * i);
  }
  result.set(0, 0);
  for (let i = 0; i < 4; i++) {
    const { high, low } = lanes[i]!;
    lane.set(high, low).rotateLeft(LANE_TURNS[i]!);
    result.add(lane.high, lane.low);
  }
  for (const { high, low } of lanes) {
    lane.set(high, low).multiply(P2H, P2L).rotateLeft(31).multiply(P1H, P1L);
    result.xor(lane.high, lane.low).multiply(P1H, P1L).add(P4H, P4L);
  }
  return at;
}

const input = new Word();

/** Mixes eight bytes into a word. */
function mixed(word: Word, bytes: Uint8Array, at: number): void {
  input.set(uint32(bytes, at + 4), uint32(bytes, at)).multiply(P2H, P2L);
  word.add(input.high, input.low).rotateLeft(31).multiply(P1H, P1L);
}

/** Little-endian. */
function uint32(bytes: Uint8Array, at: number): number {
  return bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24;
}
