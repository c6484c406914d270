import assert from "node:assert/strict";
import { Http2Error } from "../../../src/http2/wire/error.ts";
import type { HpackDecoder } from "../../../src/http2/wire/hpack-decoder.ts";
import type { HeaderBlock } from "../../../src/http2/wire/header-block.ts";
import { integer } from "./header-block.ts";

/** The entries of a decoder's dynamic table, the newest first, each as a block that refers to it alone. */
export function hpackTable(hpack: HpackDecoder): HeaderBlock[] {
  const entries: HeaderBlock[] = [];
  for (let index = 62;; index++) {
    const block = integer(0x80, 7, index);
    try {
      entries.push(hpack.decode(block, 0, block.length));
    } catch (error) {
      assert.ok(error instanceof Http2Error);
      return entries;
    }
  }
}

/** The size of a decoder's dynamic table (RFC 7541 section 4.1), in bytes. */
export function hpackTableBytes(hpack: HpackDecoder): number {
  return hpackTable(hpack).reduce((sum, { bytes }) => sum + bytes, 0);
}
