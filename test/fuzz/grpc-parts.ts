// What calls at random are made of, both ways.
import { concat } from "../support/raw-http2/frame.ts";
import type { Field } from "../support/raw-http2/header-block.ts";
import { mutate, noise, oneOf, type Random } from "./random.ts";

const hex = (text: string) => Uint8Array.from(text.match(/../g)!, (byte) => parseInt(byte, 16));
const ascii = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));

// `value` of 40 times "a", and 3,000 zeros: a message that is too large for half of the cases, and none.
const GZIP = ["1f8b080000000000000313d24824120000a01576d62a000000"].map(hex).concat(
  hex("1f8b0800000000000003edc13101000000c2a0f54f6d0d0fa000008077030d5b86dab80b0000"),
);
const DEFLATE = hex("789c13d2482412000040490f63");
const PLAIN = [
  new Uint8Array(0),
  new Uint8Array([0x12, 3, 0x61, 0x62, 0x63]),
  new Uint8Array([0x08, 0x96, 0x01]),
  new Uint8Array([0x12, 0xc8, 0x01, ...new Uint8Array(200).fill(0x61)]),
  new Uint8Array([0x12, 2, 0xc3, 0x28]), // no UTF-8
  ascii('{"value":"abc","code":7}'),
  ascii('{"value":7}'),
];

/** A prefix that mostly tells the truth, and a message that is one mostly. */
export function envelope(random: Random): Uint8Array {
  const compressed = random(4) === 0;
  const content = compressed ? oneOf(random, [...GZIP, DEFLATE]) : oneOf(random, PLAIN);
  const body = mutate(random, random(12) === 0 ? noise(random, random(100)) : content);
  const length = random(15) === 0 ? oneOf(random, [0, body.length + 1, random(3_000), 0xffff_ffff]) : body.length;
  const flags = random(15) === 0 ? random(256) : compressed ? 1 : 0;
  return concat(new Uint8Array([flags, length >>> 24, length >>> 16, length >>> 8, length]), body);
}

export function metadata(random: Random): Field[] {
  const names = ["x-a", "x-bin", "x-bin", "set-cookie", "content-length", "te", "trailer"];
  const values = ["1", "", "AAE=", "AAE", "*", "a,b", "caf\u00e9", "v".repeat(2_000)];
  return Array.from({ length: random(5) === 0 ? random(4) : 0 }, () => [oneOf(random, names), oneOf(random, values)]);
}

/** Content types of gRPC, and others. */
export const TYPES: readonly string[] = [
  "application/grpc+proto",
  "application/grpc+json",
  "application/grpc+",
  "application/grpc-web",
  "application/grpc; charset=utf-8",
  "APPLICATION/GRPC",
  "application/grpcx",
  "text/html",
  "",
];

/** A timeout, mostly of the form that gRPC gives it. */
export function timeout(random: Random): string {
  if (random(5) === 0) return oneOf(random, ["", "1", "S", "-1S", "123456789S", "1 S", "1e3m", "0S", "500H"]);
  return `${random(5_000)}${oneOf(random, ["m", "m", "u", "n", "S"])}`;
}
