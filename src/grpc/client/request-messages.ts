import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import type { Codec } from "../codec.ts";
import { COMPRESSED, messagePrefix } from "../envelope.ts";
import { type MessageOutput, PrefixedMessage } from "../prefixed-message.ts";
import type { ResolvedGrpcOptions } from "./options.ts";

type Message = MessageInitShape<DescMessage>;

/** Where a request's messages go: the part of its stream that they need. */
export interface RequestStream extends MessageOutput {
  readonly closed: boolean;
  /** Returns false if enough is buffered: continue after {@link RequestMessages.room}. */
  write(head: Uint8Array, body: Uint8Array, end: boolean): boolean;
  end(): void;
  /** A message of so many bytes, and so many uncompressed ones, is about to be written. */
  messageSent(bytes: number, uncompressedBytes: number): void;
}

/** Sends the caller's messages, one after another and no faster than there is room for them. */
export class RequestMessages {
  #input: AsyncIterator<Message> | undefined;
  #roomWanted: (() => void) | undefined = undefined;

  /** Begins to iterate; throws what the caller's iterable throws. */
  constructor(input: AsyncIterable<Message>) {
    this.#input = input[Symbol.asyncIterator]();
  }

  /** Sends the messages until there are no more or the stream is closed. Rejects with whatever prevents it. */
  async sendTo(stream: RequestStream, codec: Codec, options: ResolvedGrpcOptions): Promise<void> {
    const { compressMinBytes, sendCompression } = options;
    const input = this.#input;
    if (input === undefined) return;
    for (;;) {
      const { done, value } = await input.next();
      if (stream.closed) return;
      if (done) break;
      const message = PrefixedMessage.of(codec, value);
      let room;
      if (sendCompression !== undefined && message.length >= compressMinBytes) {
        const bytes = await sendCompression.compress(message.takeBytes() as Uint8Array<ArrayBuffer>);
        if (stream.closed) return;
        stream.messageSent(bytes.length, message.length);
        room = stream.write(messagePrefix(COMPRESSED, bytes.length), bytes, false);
      } else {
        stream.messageSent(message.length, message.length);
        room = message.writeTo(stream, false);
      }
      if (!room) {
        await new Promise<void>((resolve) => this.#roomWanted = resolve);
        if (stream.closed) return;
      }
    }
    this.#input = undefined;
    stream.end();
  }

  /** There is room again. */
  room(): void {
    const wanted = this.#roomWanted;
    this.#roomWanted = undefined;
    wanted?.();
  }

  /** Ends the caller's iterable, which is no longer read: with `throw` if the call failed, otherwise with `return`. */
  finish(error: ConnectError | undefined): void {
    const input = this.#input;
    this.#input = undefined;
    this.room();
    if (input === undefined) return;
    try {
      if (error !== undefined) input.throw?.(error).catch(() => {});
      input.return?.().catch(() => {});
    } catch { /* An iterable of the caller's that throws here has nobody left to tell. */ }
  }
}
