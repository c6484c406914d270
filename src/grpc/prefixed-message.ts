import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import type { Codec } from "./codec.ts";
import { PREFIX_BYTES, writePrefix } from "./envelope.ts";

const MEMORY_BYTES = 16 * 1024;
/** Views of messages below this size are kept: in a small call, each object counts. */
const KEPT_VIEWS = 512;
const NOTHING = new Uint8Array(0);

/** Where messages are written: a stream. `head` is copied immediately, `body` may be kept. */
export interface MessageOutput {
  write(head: Uint8Array, body: Uint8Array, end: boolean): boolean;
}

let free: PrefixedMessage | undefined;

/**
 * An uncompressed message with its prefix that is about to be sent. Small messages lie in memory that is used again as
 * soon as the message has left it: with `writeTo`, `takeBytes` or `drop`, one of which must follow.
 */
export class PrefixedMessage {
  readonly #memory = new Uint8Array(MEMORY_BYTES);
  readonly #views: Uint8Array[] = [];
  /** The prefix, and the message if it is small. */
  #head: Uint8Array = NOTHING;
  /** Otherwise the message. */
  #body: Uint8Array = NOTHING;

  /** Encodes a message. @throws what the codec throws */
  static of(codec: Codec, message: MessageInitShape<DescMessage>): PrefixedMessage {
    // While one is in use, or if one was lost because the codec threw, the next message gets a new one.
    const prefixed = free ?? new PrefixedMessage();
    free = undefined;
    const encoded = codec.encode(message, prefixed.#memory, PREFIX_BYTES);
    if (typeof encoded === "number") prefixed.#set(encoded, encoded - PREFIX_BYTES, NOTHING);
    else prefixed.#set(PREFIX_BYTES, encoded.length, encoded);
    return prefixed;
  }

  #set(headBytes: number, length: number, body: Uint8Array): void {
    writePrefix(this.#memory, 0, length);
    this.#head = headBytes < KEPT_VIEWS
      ? this.#views[headBytes] ??= this.#memory.subarray(0, headBytes)
      : this.#memory.subarray(0, headBytes);
    this.#body = body;
  }

  /** The message's length, without the prefix. */
  get length(): number {
    return this.#head.length + this.#body.length - PREFIX_BYTES;
  }

  /** Writes prefix and message; returns what `write` does. */
  writeTo(output: MessageOutput, end: boolean): boolean {
    const room = output.write(this.#head, this.#body, end);
    this.drop();
    return room;
  }

  /** The message without its prefix, in an array of its own. */
  takeBytes(): Uint8Array {
    const bytes = this.#body.length > 0 ? this.#body : this.#head.slice(PREFIX_BYTES);
    this.drop();
    return bytes;
  }

  /** It won't be sent. */
  drop(): void {
    this.#body = NOTHING;
    free = this;
  }
}
