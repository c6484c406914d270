import { fromBinary, toBinary } from "@bufbuild/protobuf";
import type { BinaryReadOptions, BinaryWriteOptions, DescMessage, MessageShape } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { textOf } from "../error-text.ts";

/**
 * Writes a message to `into`, from the offset `at` on, and returns where it ends; or returns the message in an array of
 * its own, if that is simpler or there is no room for it.
 */
export type Encode = (message: MessageShape<DescMessage>, into: Uint8Array, at: number) => number | Uint8Array;

/** Returns the function that encodes messages of a schema as `toBinary` does, with its errors. */
export type CreateEncoder = (schema: DescMessage, options: Partial<BinaryWriteOptions> | undefined) => Encode;

/** How messages are written as bytes. */
export interface MessageFormat {
  /** What the content type says after `application/grpc+`. */
  readonly name: "proto" | "json";
  /** Returns the function that encodes messages of a schema, which throws ConnectError Internal. */
  encoder(schema: DescMessage): Encode;
  /** Returns the function that parses messages of a schema, which throws ConnectError Internal. */
  decoder(schema: DescMessage): (bytes: Uint8Array) => MessageShape<DescMessage>;
}

/**
 * Bytes fields are views of the bytes they are parsed from: messages up to this size are copied out of their chunk
 * first.
 */
export const COPIED_BYTES: number = 16 * 1024;

/** protobuf-es's own encoder. */
const plainEncoder: CreateEncoder = (schema, options) => (message) => toBinary(schema, message, options);

/**
 * The binary format. `createEncoder` of `encoder/encoder.ts` is several times faster than the usual encoder; it costs a
 * bundle 2 kB.
 */
export function binaryFormat(
  options?: Partial<BinaryReadOptions & BinaryWriteOptions>,
  createEncoder: CreateEncoder = plainEncoder,
): MessageFormat {
  return {
    name: "proto",
    encoder(schema) {
      const encode = createEncoder(schema, options);
      return (message, into, at) => {
        try {
          return encode(message, into, at);
        } catch (error) {
          throw new ConnectError(`serialize binary: ${textOf(error)}`, Code.Internal);
        }
      };
    },
    decoder(schema) {
      const copies = hasBytes(schema, new Set());
      return (bytes) => {
        try {
          return fromBinary(schema, copies && bytes.length <= COPIED_BYTES ? bytes.slice() : bytes, options);
        } catch (error) {
          throw new ConnectError(`parse binary: ${textOf(error)}`, Code.Internal);
        }
      };
    },
  };
}

/** Whether a message can contain a bytes field, at any depth. */
function hasBytes(schema: DescMessage, seen: Set<DescMessage>): boolean {
  if (seen.has(schema)) return false;
  seen.add(schema);
  return schema.fields.some((field) => {
    const scalar = field.fieldKind === "scalar" ||
        (field.fieldKind === "list" && field.listKind === "scalar") ||
        (field.fieldKind === "map" && field.mapKind === "scalar")
      ? field.scalar
      : undefined;
    return scalar === ScalarType.BYTES || (field.message !== undefined && hasBytes(field.message, seen));
  });
}
