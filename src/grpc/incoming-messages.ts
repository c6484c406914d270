import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { Compression } from "@connectrpc/connect/protocol";
import { decompressed } from "./compression.ts";
import { EnvelopeReader, PREFIX_BYTES } from "./envelope.ts";
import { afterTurn } from "./reading-turn.ts";

type Message = MessageShape<DescMessage>;
type Result = IteratorResult<Message, undefined>;

interface Reader {
  resolve(result: Result | Promise<Result>): void;
  reject(error: unknown): void;
}

const DONE: Result = { done: true, value: undefined };

/** The stream that messages arrive on: what their reader needs of it. */
export interface IncomingStream {
  consumed(bytes: number): void;
  expects(bytes: number): void;
}

/** How messages are read. */
export interface Reading {
  readonly parse: (bytes: Uint8Array) => Message;
  readonly compression: Compression | undefined;
  readonly maxBytes: number;
  /** The error of messages that end in the middle of one. */
  readonly incomplete: () => unknown;
}

/**
 * The messages of a stream, parsed when they are read. What isn't read fills the stream's window, which holds the sender
 * back. Nobody has to read them to the end: what arrives after `return` is dropped.
 */
export class IncomingMessages implements AsyncIterableIterator<Message, undefined> {
  readonly #stream: IncomingStream;
  readonly #reading: Reading;
  readonly #envelopes: EnvelopeReader;
  readonly #readers: Reader[] = [];
  /** Bytes received for which the stream's window was not credited yet. */
  #uncredited = 0;
  /** How the messages ended, once they did; without an error, well. */
  #end: { error: unknown } | undefined = undefined;
  /** Whether nobody reads any more. */
  #dropped = false;

  constructor(stream: IncomingStream, reading: Reading) {
    this.#stream = stream;
    this.#reading = reading;
    this.#envelopes = new EnvelopeReader(reading.maxBytes);
  }

  // What arrives

  push(chunk: Uint8Array, start: number, end: number): void {
    if (this.#dropped) return this.#stream.consumed(end - start);
    this.#envelopes.push(chunk, start, end);
    this.#uncredited += end - start;
    this.#serve();
  }

  /** There are no more. */
  end(): void {
    this.#end ??= { error: undefined };
    this.#serve();
  }

  /** The call has ended: readers get its error, whatever has arrived. */
  fail(error: unknown): void {
    this.#end = { error };
    this.#drop();
    this.#serve();
  }

  // What is read

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Result> {
    if (this.#readers.length === 0) {
      try {
        const before = this.#envelopes.bytes;
        const result = this.#take();
        if (result !== undefined) return afterTurn(result, before - this.#envelopes.bytes);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    return new Promise<Result>((resolve, reject) => {
      this.#readers.push({ resolve, reject });
    });
  }

  return(): Promise<Result> {
    this.#end = { error: undefined };
    this.#drop();
    this.#serve();
    return Promise.resolve(DONE);
  }

  throw(error: unknown): Promise<Result> {
    void this.return();
    return Promise.reject(error);
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
  #take(): Result | Promise<Result> | undefined {
    const { parse, compression, maxBytes, incomplete } = this.#reading;
    try {
      const envelope = this.#envelopes.next();
      if (envelope !== undefined) {
        this.#credit(PREFIX_BYTES + envelope.bytes.length);
        const bytes = decompressed(envelope, compression, maxBytes);
        if (bytes instanceof Uint8Array) return { done: false, value: parse(bytes) };
        return bytes.then((whole): Result => ({ done: false, value: parse(whole) }))
          .catch((error) => this.#broken(error));
      }
    } catch (error) {
      return this.#broken(error);
    }
    if (this.#end === undefined) {
      // A reader waits for a message that may be larger than the window.
      this.#credit(this.#uncredited);
      if (this.#envelopes.missing > 0) this.#stream.expects(this.#envelopes.missing);
      return undefined;
    }
    const { error } = this.#end;
    this.#end = { error: undefined };
    if (error !== undefined) throw error;
    if (this.#envelopes.incomplete) return this.#broken(incomplete());
    return DONE;
  }

  /** After a message that can't be read there are no more. */
  #broken(error: unknown): never {
    this.#end = { error: undefined };
    this.#drop();
    throw error;
  }

  #drop(): void {
    this.#dropped = true;
    this.#envelopes.clear();
    this.#credit(this.#uncredited);
  }

  #credit(bytes: number): void {
    const credited = Math.min(bytes, this.#uncredited);
    if (credited === 0) return;
    this.#uncredited -= credited;
    this.#stream.consumed(credited);
  }
}
