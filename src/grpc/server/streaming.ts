import { COMPRESSED } from "../envelope.ts";
import { IncomingMessages } from "../incoming-messages.ts";
import { type CallHost, type CallRequest, ServerCall } from "./call.ts";
import { interceptStream, single } from "./intercept.ts";
import { incompleteRequest } from "./request-error.ts";
import { Responses, type ResponseSink } from "./responses.ts";
import type { Answer } from "./route.ts";

type Yielded = AsyncIterable<unknown>;

/** One streaming call of any kind. */
export class StreamingServerCall extends ServerCall implements ResponseSink {
  override readonly longLived: boolean;
  readonly #requests: IncomingMessages;
  #responses: Responses | undefined = undefined;

  constructor(host: CallHost, request: CallRequest) {
    super(host, request);
    const { exchange, route } = request;
    this.longLived = route.desc.methodKind !== "server_streaming";
    this.#requests = new IncomingMessages(this, {
      parse: exchange.parse,
      compression: exchange.requestCompression,
      maxBytes: route.options.readMaxBytes,
      incomplete: incompleteRequest,
    });
  }

  onData(chunk: Uint8Array, start: number, end: number): void {
    this.#requests.push(chunk, start, end);
  }

  onEnd(): void {
    this.#requests.end();
  }

  protected begin(): void {
    this.beginHandling();
    const { context, route } = this;
    const { desc, implementation, options } = route;
    if (options.interceptors.length > 0) {
      this.#streamLater(interceptStream(route, context, this.#requests));
    } else if (desc.methodKind === "server_streaming") {
      this.#streamLater(single(this.#requests).then((request) => implementation(request, context) as Yielded));
    } else {
      this.#run(() => implementation(this.#requests, context), desc.methodKind === "client_streaming");
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
    else this.#requests.fail(error);
    this.#responses?.stop(error);
  }

  // What its responses need

  get over(): boolean {
    return this.ended;
  }

  send(message: unknown): boolean | Promise<boolean> {
    const bytes = this.serialized(message);
    if (!(bytes instanceof Promise)) return this.sendMessage(0, bytes);
    return bytes.then((compressed) => this.sendMessage(COMPRESSED, compressed));
  }

  handled(): void {
    this.endHandling();
  }
}
