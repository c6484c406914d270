import {
  create,
  type DescMessage,
  type DescMethod,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import type { BytesValueSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { isRawMethod } from "../raw-method.ts";
import { COPIED_BYTES, type MessageFormat } from "./message-format.ts";

/** Encodes and decodes the messages of one method. */
export interface Codec<I extends DescMessage = DescMessage, O extends DescMessage = DescMessage> {
  /** @throws ConnectError Internal; ResourceExhausted above `writeMaxBytes` */
  serialize(message: MessageInitShape<I>): Uint8Array;
  /** @throws ConnectError Internal */
  parse(bytes: Uint8Array): MessageShape<O>;
}

/** How messages are encoded. */
export interface CodecOptions {
  readonly format: MessageFormat;
  /** The largest message sent. */
  readonly writeMaxBytes: number;
}

/** The codec of a method for its callers. */
export function createCodec<I extends DescMessage, O extends DescMessage>(
  method: DescMethod & { input: I; output: O },
  options: CodecOptions,
): Codec<I, O> {
  return isRawMethod(method) ? rawCodec(method.output, options) : codecOf(method.input, method.output, options);
}

/** The codec of a method for its server, which parses what callers serialize. */
export function createServerCodec(method: DescMethod, options: CodecOptions): Codec {
  return isRawMethod(method) ? rawCodec(method.input, options) : codecOf(method.output, method.input, options);
}

function codecOf<I extends DescMessage, O extends DescMessage>(
  sent: I,
  received: O,
  { format, writeMaxBytes }: CodecOptions,
): Codec<I, O> {
  return {
    serialize(message) {
      return checkSize(format.encode(sent, create(sent, message)), writeMaxBytes);
    },
    parse: format.decoder(received) as (bytes: Uint8Array) => MessageShape<O>,
  };
}

/** The codec of a method without a schema: its messages are plain bytes. */
function rawCodec<I extends DescMessage, O extends DescMessage>(
  received: DescMessage,
  { writeMaxBytes }: CodecOptions,
): Codec<I, O> {
  const schema = received as typeof BytesValueSchema;
  const codec: Codec<typeof BytesValueSchema, typeof BytesValueSchema> = {
    serialize({ value }: MessageInitShape<typeof BytesValueSchema>) {
      if (value !== undefined && !(value instanceof Uint8Array)) {
        throw new ConnectError("a message of a raw method is { value }, a Uint8Array", Code.Internal);
      }
      return checkSize(value ?? new Uint8Array(), writeMaxBytes);
    },
    parse: (bytes) => create(schema, { value: bytes.length <= COPIED_BYTES ? bytes.slice() : bytes }),
  };
  return codec as unknown as Codec<I, O>;
}

function checkSize(bytes: Uint8Array, writeMaxBytes: number): Uint8Array {
  if (bytes.length <= writeMaxBytes) return bytes;
  throw new ConnectError(
    `message size ${bytes.length} is larger than configured writeMaxBytes ${writeMaxBytes}`,
    Code.ResourceExhausted,
  );
}
