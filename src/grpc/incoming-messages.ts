import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { Compression } from "@connectrpc/connect/protocol";
import { decompressed } from "./compression.ts";
import { EnvelopeReader, PREFIX_BYTES } from "./envelope.ts";
import { afterTurn } from "./reading-turn.ts";

type Message = MessageShape<DescMessage>;

/** What a reader of messages gets. */
export type MessageResult = IteratorResult<Message, undefined>;

interface Reader {
  resolve(result: MessageResult | Promise<MessageResult>): void;
  reject(error: unknown): void;
}

const DONE: MessageResult = { done: true, value: undefined };

/** The call whose messages arrive: how they are read, and what becomes of their end. */
export interface IncomingCall {
  readonly incomingCompression: Compression | undefined;
  /** The bytes' reader took some: the peer may send as many more. */
  consumed(bytes: number): void;
  /** The reader waits for a message of which this many bytes are missing. */
  expects(bytes: number): void;
  /** A message of so many bytes, as they were sent and uncompressed, is about to be read. */
  messageReceived(bytes: number, uncompressedBytes: number): void;
  /** @throws ConnectError */
  parse(bytes: Uint8Array): Message;
  /** The reader is about to see the end. Returns the error that it gets, if any. */
  endSeen(error: unknown): unknown;
  /** A message can't be read; without an error, the last one has no end. Returns the error that the reader gets. */
  broken(error: unknown): unknown;
}

/**
 * The messages of a stream, parsed when they are read. What isn't read fills the stream's window, which holds the peer
 * back. They need not be read to the end: what arrives after `drop` is dropped.
 */
export class IncomingMessages {
  readonly #call: IncomingCall;
  readonly #maxBytes: number;
  readonly #envelopes: EnvelopeReader;
  readonly #readers: Reader[] = [];
  /** Bytes received for which the stream's window was not credited yet. */
  #uncredited = 0;
  /** How the messages ended, once they did; without an error, well. */
  #end: { error: unknown } | undefined = undefined;
  /** Whether they are no longer read. */
  #dropped = false;

  constructor(call: IncomingCall, maxBytes: number) {
    this.#call = call;
    this.#maxBytes = maxBytes;
    this.#envelopes = new EnvelopeReader(maxBytes);
  }

  // What arrives

  push(chunk: Uint8Array, start: number, end: number): void {
    if (this.#dropped) return this.#call.consumed(end - start);
    this.#envelopes.push(chunk, start, end);
    this.#uncredited += end - start;
    this.#serve();
  }

  /** There are no more: readers get the error, if any, after what has arrived. Only the first end counts. */
  end(error: unknown): void {
    this.#end ??= { error };
    this.#serve();
  }

  /** The call was given up: readers get the error at once. */
  abort(error: unknown): void {
    this.#end = { error };
    this.drop();
    this.#serve();
  }

  /** Nobody reads what has arrived, or will. */
  drop(): void {
    this.#dropped = true;
    this.#envelopes.clear();
    this.#credit(this.#uncredited);
  }

  // What is read

  next(): Promise<MessageResult> {
    if (this.#readers.length === 0) {
      try {
        const before = this.#envelopes.bytes;
        const result = this.#take();
        if (result !== undefined) return afterTurn(result, before - this.#envelopes.bytes);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    return new Promise<MessageResult>((resolve, reject) => {
      this.#readers.push({ resolve, reject });
    });
  }

  /** The reader stops: no read gets any more messages. */
  return(): Promise<MessageResult> {
    this.#end = { error: undefined };
    this.drop();
    this.#serve();
    return Promise.resolve(DONE);
  }

  /** Reports an error with which they ended, without waiting until a reader sees it. */
  reportEnd(): void {
    const error = this.#end?.error;
    if (error !== undefined) this.#end = { error: this.#call.endSeen(error) };
  }

  /** Serves waiting readers with what has arrived. */
  #serve(): void {
    for (let reader = this.#readers.shift(); reader !== undefined; reader = this.#readers.shift()) {
      try {
        const result = this.#take();
        if (result === undefined) {
          this.#readers.unshift(reader);
          return;
        }
        reader.resolve(result);
      } catch (error) {
        reader.reject(error);
      }
    }
  }

  /** The next message; undefined if it hasn't arrived. @throws the error that ended the messages, if any. */
  #take(): MessageResult | Promise<MessageResult> | undefined {
    const call = this.#call;
    try {
      const envelope = this.#envelopes.next();
      if (envelope !== undefined) {
        this.#credit(PREFIX_BYTES + envelope.bytes.length);
        const { length } = envelope.bytes;
        const bytes = decompressed(envelope, call.incomingCompression, this.#maxBytes);
        if (bytes instanceof Uint8Array) return this.#message(bytes, length);
        return bytes.then((whole) => this.#message(whole, length)).catch((error) => this.#broken(error));
      }
    } catch (error) {
      return this.#broken(error);
    }
    if (this.#end === undefined) {
      // A reader waits for a message that may be larger than the window.
      this.#credit(this.#uncredited);
      if (this.#envelopes.missing > 0) call.expects(this.#envelopes.missing);
      return undefined;
    }
    const { error } = this.#end;
    this.#end = { error: undefined };
    if (error !== undefined) throw call.endSeen(error);
    if (this.#envelopes.incomplete) return this.#broken(undefined);
    call.endSeen(undefined);
    return DONE;
  }

  /** A message of which so many bytes were sent. */
  #message(bytes: Uint8Array, length: number): MessageResult {
    this.#call.messageReceived(length, bytes.length);
    return { done: false, value: this.#call.parse(bytes) };
  }

  /** After a message that can't be read there are no more. */
  #broken(error: unknown): never {
    this.#envelopes.clear();
    this.#end = { error: undefined };
    // Before other readers see the end, which to them is a normal one.
    const seen = this.#call.broken(error);
    this.drop();
    throw seen;
  }

  #credit(bytes: number): void {
    const credited = Math.min(bytes, this.#uncredited);
    if (credited === 0) return;
    this.#uncredited -= credited;
    this.#call.consumed(credited);
  }
}
