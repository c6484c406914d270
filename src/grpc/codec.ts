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

const NOTHING = new Uint8Array(0);

/** Encodes and decodes the messages of one method. */
export interface Codec<I extends DescMessage = DescMessage, O extends DescMessage = DescMessage> {
  /**
   * Writes a message to `into`, from the offset `at` on, and returns where it ends; or returns the message in an array
   * of its own, for example if there is no room for it.
   *
   * @throws ConnectError Internal; ResourceExhausted above `writeMaxBytes`
   */
  encode(message: MessageInitShape<I>, into: Uint8Array, at: number): number | Uint8Array;
  /** The message in an array of its own. @throws the same */
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
  const encode = format.encoder(sent);
  return {
    encode(message, into, at) {
      const encoded = encode(create(sent, message), into, at);
      checkSize(typeof encoded === "number" ? encoded - at : encoded.length, writeMaxBytes);
      return encoded;
    },
    serialize(message) {
      const encoded = this.encode(message, NOTHING, 0);
      return typeof encoded === "number" ? NOTHING : encoded;
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
    encode: (message) => codec.serialize(message),
    serialize({ value }: MessageInitShape<typeof BytesValueSchema>) {
      if (value !== undefined && !(value instanceof Uint8Array)) {
        throw new ConnectError("a message of a raw method is { value }, a Uint8Array", Code.Internal);
      }
      checkSize(value?.length ?? 0, writeMaxBytes);
      return value ?? NOTHING;
    },
    parse: (bytes) => create(schema, { value: bytes.length <= COPIED_BYTES ? bytes.slice() : bytes }),
  };
  return codec as unknown as Codec<I, O>;
}

function checkSize(length: number, writeMaxBytes: number): void {
  if (length <= writeMaxBytes) return;
  throw new ConnectError(
    `message size ${length} is larger than configured writeMaxBytes ${writeMaxBytes}`,
    Code.ResourceExhausted,
  );
}
