import { create, fromBinary, fromJsonString, toBinary, toJsonString } from "@bufbuild/protobuf";
import type {
  BinaryReadOptions,
  BinaryWriteOptions,
  DescMessage,
  DescMethod,
  JsonReadOptions,
  JsonWriteOptions,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { BytesValueSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { isRawMethod } from "../raw-method.ts";

/** Encodes and decodes the messages of one method. */
export interface Codec<I extends DescMessage = DescMessage, O extends DescMessage = DescMessage> {
  /** @throws ConnectError Internal; ResourceExhausted above `writeMaxBytes` */
  serialize(message: MessageInitShape<I>): Uint8Array;
  /** @throws ConnectError Internal */
  parse(bytes: Uint8Array): MessageShape<O>;
}

/** How messages are encoded. */
export interface CodecOptions {
  readonly useBinaryFormat: boolean;
  readonly binaryOptions: Partial<BinaryReadOptions & BinaryWriteOptions> | undefined;
  readonly jsonOptions: Partial<JsonReadOptions & JsonWriteOptions>;
  /** The largest message sent. */
  readonly writeMaxBytes: number;
}

/**
 * Bytes fields are views of the bytes they are parsed from: messages up to this size are copied out of their chunk
 * first.
 */
const COPIED_BYTES = 16 * 1024;

/** The codec of a method. */
export function createCodec<I extends DescMessage, O extends DescMessage>(
  method: DescMethod & { input: I; output: O },
  options: CodecOptions,
): Codec<I, O> {
  const { input, output } = method;
  const { writeMaxBytes } = options;
  if (isRawMethod(method)) return rawCodec(writeMaxBytes) as unknown as Codec<I, O>;
  const encode = options.useBinaryFormat ? binaryEncoder(options) : jsonEncoder(options);
  const decode = options.useBinaryFormat ? binaryDecoder(options, output) : jsonDecoder(options);
  return {
    serialize(message) {
      return checkSize(encode(input, create(input, message)), writeMaxBytes);
    },
    parse: (bytes) => decode(output, bytes) as MessageShape<O>,
  };
}

/** The codec of a method without a schema: its messages are plain bytes. */
function rawCodec(writeMaxBytes: number): Codec<typeof BytesValueSchema, typeof BytesValueSchema> {
  return {
    serialize: ({ value }) => checkSize(value ?? new Uint8Array(), writeMaxBytes),
    parse: (bytes) => create(BytesValueSchema, { value: bytes.length <= COPIED_BYTES ? bytes.slice() : bytes }),
  };
}

function checkSize(bytes: Uint8Array, writeMaxBytes: number): Uint8Array {
  if (bytes.length <= writeMaxBytes) return bytes;
  throw new ConnectError(
    `message size ${bytes.length} is larger than configured writeMaxBytes ${writeMaxBytes}`,
    Code.ResourceExhausted,
  );
}

type Encode = (schema: DescMessage, message: MessageShape<DescMessage>) => Uint8Array;
type Decode = (schema: DescMessage, bytes: Uint8Array) => MessageShape<DescMessage>;

function binaryEncoder({ binaryOptions }: CodecOptions): Encode {
  return (schema, message) => {
    try {
      return toBinary(schema, message, binaryOptions);
    } catch (error) {
      throw new ConnectError(`serialize binary: ${text(error)}`, Code.Internal);
    }
  };
}

function binaryDecoder({ binaryOptions }: CodecOptions, output: DescMessage): Decode {
  const copies = hasBytes(output, new Set());
  return (schema, bytes) => {
    try {
      return fromBinary(schema, copies && bytes.length <= COPIED_BYTES ? bytes.slice() : bytes, binaryOptions);
    } catch (error) {
      throw new ConnectError(`parse binary: ${text(error)}`, Code.Internal);
    }
  };
}

function jsonEncoder({ jsonOptions }: CodecOptions): Encode {
  const encoder = new TextEncoder();
  return (schema, message) => {
    try {
      return encoder.encode(toJsonString(schema, message, jsonOptions));
    } catch (error) {
      throw ConnectError.from(error, Code.Internal);
    }
  };
}

function jsonDecoder({ jsonOptions }: CodecOptions): Decode {
  const decoder = new TextDecoder();
  return (schema, bytes) => {
    try {
      return fromJsonString(schema, decoder.decode(bytes), jsonOptions);
    } catch (error) {
      throw ConnectError.from(error, Code.Internal);
    }
  };
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
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
