import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { Compression } from "@connectrpc/connect/protocol";
import type { HeaderBlock } from "../../http2/wire/header-block.ts";
import { type IncomingCall, IncomingMessages, type MessageResult } from "../incoming-messages.ts";
import { type CallHost, ServerCall } from "./call.ts";
import { interceptStream, single } from "./intercept.ts";
import { incompleteRequest } from "./request-error.ts";
import type { CallInfo } from "./request.ts";
import { Responses, type ResponseSink } from "./responses.ts";
import type { Answer } from "./route.ts";

type Message = MessageShape<DescMessage>;
type Yielded = AsyncIterable<unknown>;

/** One streaming call of any kind. */
export class StreamingServerCall extends ServerCall implements IncomingCall, ResponseSink {
  override readonly longLived: boolean;
  readonly #requests: IncomingMessages;
  #responses: Responses | undefined = undefined;

  constructor(host: CallHost, head: HeaderBlock, info: CallInfo) {
    super(host, head, info);
    this.longLived = this.route.desc.methodKind !== "server_streaming";
    this.#requests = new IncomingMessages(this, this.route.options.readMaxBytes);
  }

  onData(chunk: Uint8Array, start: number, end: number): void {
    this.#requests.push(chunk, start, end);
  }

  onEnd(): void {
    this.#requests.end(undefined);
  }

  protected begin(): void {
    this.beginHandling();
    const { context, route } = this;
    const { desc, implementation, options } = route;
    const requests = new Requests(this.#requests);
    if (options.interceptors.length > 0) {
      this.#streamLater(interceptStream(route, context, requests));
    } else if (desc.methodKind === "server_streaming") {
      this.#streamLater(single(requests).then((request) => implementation(request, context) as Yielded));
    } else {
      this.#run(() => implementation(requests, context), desc.methodKind === "client_streaming");
    }
  }

  #run(implementation: () => unknown, single: boolean): void {
    try {
      const result = implementation();
      if (single) void this.#answerLater(result as Answer);
      else this.#stream(result as Yielded);
    } catch (error) {
      this.handled();
      this.fail(error);
    }
  }

  async #answerLater(answer: Answer): Promise<void> {
    try {
      const message = await answer;
      this.handled();
      this.answer(message);
    } catch (error) {
      this.handled();
      this.fail(error);
    }
  }

  #streamLater(responses: Promise<Yielded>): void {
    responses.then((messages) => this.#stream(messages)).catch((error) => {
      this.handled();
      this.fail(error);
    });
  }

  #stream(messages: Yielded): void {
    const responses = this.#responses = new Responses(this, messages);
    if (this.ended) responses.stop(this.context.signal.reason);
    else responses.pull();
  }

  override onWritable(): void {
    this.#responses?.room();
  }

  protected onEnded(error: unknown): void {
    // A handler that succeeded without all requests needs no error for those that it still reads.
    if (error === undefined) void this.#requests.return();
    else this.#requests.abort(error);
    this.#responses?.stop(error);
  }

  // What the reading of its requests needs

  get incomingCompression(): Compression | undefined {
    return this.exchange.requestCompression;
  }

  parse(bytes: Uint8Array): Message {
    return this.exchange.parse(bytes);
  }

  messageReceived(bytes: number, uncompressedBytes: number): void {
    this.observed?.received(bytes, uncompressedBytes);
  }

  endSeen(error: unknown): unknown {
    return error;
  }

  broken(error: unknown): unknown {
    return error ?? incompleteRequest();
  }

  // What its responses need

  get over(): boolean {
    return this.ended;
  }

  handled(): void {
    this.endHandling();
  }
}

/** The requests as a handler reads them. */
class Requests implements AsyncIterableIterator<Message, undefined> {
  readonly #messages: IncomingMessages;

  constructor(messages: IncomingMessages) {
    this.#messages = messages;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<MessageResult> {
    return this.#messages.next();
  }

  return(): Promise<MessageResult> {
    return this.#messages.return();
  }

  throw(error: unknown): Promise<MessageResult> {
    void this.#messages.return();
    return Promise.reject(error);
  }
}
