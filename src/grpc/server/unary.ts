import { readUint32 } from "../../http2/wire/bytes.ts";
import { decompressed } from "../compression.ts";
import { checkLength, type Envelope, EnvelopeReader, PREFIX_BYTES } from "../envelope.ts";
import { ServerCall } from "./call.ts";
import { interceptUnary } from "./intercept.ts";
import { isPromise } from "./promise.ts";
import { Refusal } from "./refusal.ts";
import { incompleteRequest, missingMessage, unexpectedMessage } from "./request-error.ts";

/** A message that waits for its request's end is copied up to this size: a view of it would retain its whole chunk. */
const SMALL_MESSAGE_BYTES = 4 * 1024;

/** One unary call. */
export class UnaryServerCall extends ServerCall {
  /** The message, if it arrived in one piece, as it usually does. */
  #whole: Uint8Array | undefined = undefined;
  #wholeFlags = 0;
  #reader: EnvelopeReader | undefined = undefined;
  #envelope: Envelope | undefined = undefined;
  /** What arrived before the call was admitted: not even the stream's window is given back for it. */
  #unadmitted = 0;
  #complete = false;
  /** Set once the message is known to be too large, or not the only one. */
  #refusal: Refusal | undefined = undefined;

  onData(chunk: Uint8Array, start: number, end: number): void {
    if (this.ended) return;
    if (this.#refusal !== undefined) return this.#drop(end - start);
    if (this.admitted) this.consumed(end - start);
    else this.#unadmitted += end - start;
    try {
      const length = end - start - PREFIX_BYTES;
      if (this.#reader === undefined && this.#whole === undefined && length >= 0) {
        if (readUint32(chunk, start + 1) === length) {
          checkLength(length, this.route.options.readMaxBytes);
          this.#wholeFlags = chunk[start]!;
          const whole = chunk.subarray(start + PREFIX_BYTES, end);
          this.#whole = this.endReceived || length > SMALL_MESSAGE_BYTES ? whole : whole.slice();
          return;
        }
      }
      this.#pieces(chunk, start, end);
    } catch (error) {
      if (!this.admitted || this.endReceived) return this.fail(error);
      this.#reader = undefined;
      this.longLived = true; // What is dropped doesn't count as buffered.
      this.#refusal = new Refusal(this.deadlines, () => this.fail(error));
    }
  }

  #drop(bytes: number): void {
    this.consumed(bytes);
    this.#refusal!.dropped(bytes);
  }

  #pieces(chunk: Uint8Array, start: number, end: number): void {
    if (this.#reader === undefined) {
      this.#reader = new EnvelopeReader(this.route.options.readMaxBytes);
      if (this.#whole !== undefined) this.#envelope = { flags: this.#wholeFlags, bytes: this.#whole };
    }
    this.#reader.push(chunk, start, end);
    this.#envelope ??= this.#reader.next();
    // A following message isn't awaited: it would be held in memory beside the first.
    if (this.#envelope !== undefined && this.#reader.incomplete) throw unexpectedMessage("unary");
    if (this.admitted && this.#reader.missing > 0) this.expects(this.#reader.missing);
  }

  onEnd(): void {
    this.#complete = true;
    if (this.#refusal !== undefined) this.#refusal.complete();
    else if (this.admitted) this.#received();
  }

  protected begin(): void {
    if (this.#unadmitted > 0) this.consumed(this.#unadmitted);
    this.#unadmitted = 0;
    if (this.#complete) this.#received();
    else if (this.#reader !== undefined && this.#reader.missing > 0) this.expects(this.#reader.missing);
  }

  /** The request is complete, and the handler may get it. */
  #received(): void {
    if (this.ended) return;
    try {
      if (this.#reader?.incomplete) throw incompleteRequest();
      let envelope = this.#envelope;
      if (this.#whole !== undefined && envelope === undefined) {
        // The usual path: one uncompressed message.
        if (this.#wholeFlags === 0) {
          this.observed?.received(this.#whole.length, this.#whole.length);
          return this.#handle(this.#whole);
        }
        envelope = { flags: this.#wholeFlags, bytes: this.#whole };
      }
      if (envelope === undefined) throw missingMessage("unary");
      const { length } = envelope.bytes;
      const bytes = decompressed(envelope, this.exchange.requestCompression, this.route.options.readMaxBytes);
      if (bytes instanceof Uint8Array) return this.#read(bytes, length);
      bytes.then((whole) => this.#read(whole, length)).catch((error) => this.fail(error));
    } catch (error) {
      this.fail(error);
    }
  }

  /** `length`: how many bytes were sent for the message. */
  #read(message: Uint8Array, length: number): void {
    this.observed?.received(length, message.length);
    this.#handle(message);
  }

  /** Runs the handler. Throws what it, or the parsing, throws. */
  #handle(bytes: Uint8Array): void {
    if (this.ended) return;
    const { context, route } = this;
    const message = this.exchange.parse(bytes);
    this.#whole = this.#envelope = this.#reader = undefined;
    const result = route.options.interceptors.length === 0
      ? route.implementation(message, context)
      : interceptUnary(route, context, message);
    if (!isPromise(result)) return this.answer(result);
    this.beginHandling();
    result.then((answer) => {
      this.endHandling();
      this.answer(answer);
    }, (error) => {
      this.endHandling();
      this.fail(error);
    });
  }

  protected onEnded(): void {
    this.#refusal?.end();
    this.#whole = this.#envelope = this.#reader = undefined;
  }
}
