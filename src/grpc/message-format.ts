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

/** Returns the function that parses messages of a schema as `fromBinary` does, with its errors. */
export type CreateDecoder = (
  schema: DescMessage,
  options: Partial<BinaryReadOptions> | undefined,
) => (bytes: Uint8Array) => MessageShape<DescMessage>;

/** What turns messages into bytes and back. */
export interface BinaryCoders {
  readonly createEncoder: CreateEncoder;
  readonly createDecoder: CreateDecoder;
}

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

/** protobuf-es's own. */
const PLAIN: BinaryCoders = {
  createEncoder: (schema, options) => (message) => toBinary(schema, message, options),
  createDecoder: (schema, options) => (bytes) => fromBinary(schema, bytes, options),
};

/** The binary format. The coders of `compiled-coders.ts` are several times faster than the usual ones; they take 4 kB more. */
export function binaryFormat(
  options?: Partial<BinaryReadOptions & BinaryWriteOptions>,
  { createEncoder, createDecoder }: BinaryCoders = PLAIN,
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
      const decode = createDecoder(schema, options);
      return (bytes) => {
        try {
          return decode(copies && bytes.length <= COPIED_BYTES ? bytes.slice() : bytes);
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
