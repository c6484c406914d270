/**
 * Decodes messages: what protobuf-es's `fromBinary` returns, but faster for the usual ones, because a decoder is
 * compiled once from a message's descriptor and creates nothing but the message. What it does not know, such as unknown
 * fields or maps, it leaves to `fromBinary`, and with it every error.
 *
 * @module
 */
import { create, fromBinary } from "@bufbuild/protobuf";
import type { CreateDecoder } from "../message-format.ts";
import type { Fields } from "./field.ts";
import { messageReader, startAtRoot } from "./message.ts";

/** The decoder of a message type. */
export const createDecoder: CreateDecoder = (schema, options) => {
  const fallback = (bytes: Uint8Array) => fromBinary(schema, bytes, options);
  if (options?.recursionLimit !== undefined) return fallback;
  const read = messageReader(schema);
  return (bytes) => {
    const message = create(schema);
    startAtRoot();
    try {
      if (read(message as unknown as Fields, bytes, 0, bytes.length) === bytes.length) return message;
    } catch { /* `fromBinary` has the error for it. */ }
    return fallback(bytes);
  };
};
