import type { DescMessage, DescMethod, MessageShape } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ContextValues,
  createContextValues,
  type Interceptor,
  type StreamRequest,
  type StreamResponse,
  type Transport,
  type UnaryRequest,
  type UnaryResponse,
} from "@connectrpc/connect";
import { createMethodUrl, runStreamingCall, runUnaryCall } from "@connectrpc/connect/protocol";
import type { MessageListener, MessageReporter } from "../connection/end-reporting.ts";
import { markAttempt, readMark } from "../connection/mark.ts";
import { note } from "../connection/note.ts";
import { MAX_DELAY_MS } from "../time/clock.ts";
import { type Codec, createCodec } from "../grpc/codec.ts";
import { connectProtocol } from "./connect-protocol.ts";
import { readConnectUnary, sendConnectUnary, type UnaryAnswer } from "./connect-unary.ts";
import { grpcWebProtocol } from "./grpc-web-protocol.ts";
import { exchange, type HttpResponse, unlessAborted } from "./http-client.ts";
import { envelope, joined, messagesOf, readHead } from "./messages.ts";
import type { Protocol } from "./protocol.ts";
import type { FetchSettings } from "./settings.ts";

/** Connect's runner does no cleanup if an interceptor throws, rather than rejects. */
const rejecting: Interceptor = (next) => async (request) => await next(request);

/** The Connect or gRPC-Web protocol over fetch, as a Connect Transport to one server. */
export class FetchTransport implements MessageReporter {
  readonly #baseUrl: string;
  readonly #protocol: Protocol;
  readonly #settings: FetchSettings;
  readonly #interceptors: Interceptor[];
  readonly #codecs = new WeakMap<DescMethod, Codec>();

  constructor(baseUrl: string, protocol: "connect" | "grpc-web", settings: FetchSettings) {
    this.#baseUrl = baseUrl;
    this.#protocol = protocol === "connect" ? connectProtocol : grpcWebProtocol;
    this.#settings = settings;
    this.#interceptors = [rejecting, ...settings.interceptors];
  }

  unary: Transport["unary"] = (...call) => this.#callUnary(call, this.#settings) as Promise<never>;
  stream: Transport["stream"] = (...call) => this.#callStream(call, this.#settings) as Promise<never>;

  reportingTo(messages: Partial<MessageListener>): Transport {
    const settings = { ...this.#settings, messages };
    return {
      unary: (...call) => this.#callUnary(call, settings) as Promise<never>,
      stream: (...call) => this.#callStream(call, settings) as Promise<never>,
    };
  }

  async #callUnary(
    [method, signal, timeoutMs, header, input, contextValues]: Parameters<Transport["unary"]>,
    settings: FetchSettings,
  ): Promise<UnaryResponse> {
    const limit = this.#timeout(timeoutMs);
    const request = this.#request(method, limit, header, contextValues);
    return await runUnaryCall({
      interceptors: this.#interceptors,
      ...signal && { signal },
      ...limit !== undefined && { timeoutMs: limit },
      req: { stream: false, method, message: input, ...request },
      next: async (req) => {
        const answer = await this.#unary(req as UnaryRequest, settings);
        return { stream: false, service: method.parent, method, ...answer } as UnaryResponse<never, never>;
      },
    });
  }

  async #callStream(
    [method, signal, timeoutMs, header, input, contextValues]: Parameters<Transport["stream"]>,
    settings: FetchSettings,
  ): Promise<StreamResponse> {
    if (method.methodKind === "bidi_streaming") throw bidi(method);
    const limit = this.#timeout(timeoutMs);
    const request = this.#request(method, limit, header, contextValues);
    return await runStreamingCall({
      interceptors: this.#interceptors,
      ...signal && { signal },
      ...limit !== undefined && { timeoutMs: limit },
      req: { stream: true, method, message: input, ...request },
      next: async (req) => {
        return await this.#stream(req as StreamRequest, settings) as StreamResponse<never, never>;
      },
    });
  }

  /**
   * 0 or less: no limit, as in Connect's own transports. Connect makes a timer and a header field of it as it is: more
   * than a timer takes would end the call at once, and a fraction would be an invalid field.
   */
  #timeout(timeoutMs: number | undefined): number | undefined {
    const limit = timeoutMs ?? this.#settings.defaultTimeoutMs;
    return limit !== undefined && limit > 0 ? Math.min(Math.ceil(limit), MAX_DELAY_MS) : undefined;
  }

  /** What interceptors see of a request, beside the message. */
  #request(
    method: DescMethod,
    timeoutMs: number | undefined,
    init: HeadersInit | undefined,
    contextValues: ContextValues | undefined,
  ) {
    const { headers, isBinary, acceptCompression, sendCompression } = this.#settings;
    const protocol = this.#protocol;
    const header = protocol.requestHeader(method, isBinary, timeoutMs, init);
    if (headers !== undefined) {
      new Headers(headers).forEach((value, name) => header.has(name) || header.set(name, value));
    }
    // Fetch decompresses what a whole response is compressed with, and tells the server that it can.
    if (protocol !== connectProtocol || method.methodKind !== "unary") {
      if (sendCompression !== undefined) header.set(protocol.encoding, sendCompression.name);
      const accepted = acceptCompression.map(({ name }) => name).join();
      if (accepted !== "") header.set(protocol.acceptEncoding, accepted);
    }
    return {
      service: method.parent,
      requestMethod: "POST",
      url: createMethodUrl(this.#baseUrl, method),
      header,
      contextValues: contextValues ?? createContextValues(),
    };
  }

  #codec(method: DescMethod): Codec {
    let codec = this.#codecs.get(method);
    if (codec === undefined) this.#codecs.set(method, codec = createCodec(method, this.#settings));
    return codec;
  }

  async #unary(request: UnaryRequest, settings: FetchSettings): Promise<UnaryAnswer> {
    const { method, message, signal } = request, codec = this.#codec(method);
    if (this.#protocol === connectProtocol) {
      const response = await sendConnectUnary(request, codec, settings);
      return await readConnectUnary(response, method, codec, settings).catch((error) => fail(error, signal));
    }
    const response = await this.#post(request, await envelope(codec.serialize(message), settings));
    return await this.#readUnary(response, method, settings).catch((error) => fail(error, signal));
  }

  /** A unary answer of gRPC-Web: a stream of one message. */
  async #readUnary(response: HttpResponse, method: DescMethod, settings: FetchSettings): Promise<UnaryAnswer> {
    const head = readHead(method, response, this.#protocol, settings), trailer = new Headers();
    const codec = this.#codec(method), all: MessageShape<DescMessage>[] = [];
    for await (const bytes of messagesOf(response, head, trailer, this.#protocol, settings)) {
      if (all.push(codec.parse(bytes)) > 1) break;
    }
    const [message, another] = all;
    if (message !== undefined && another === undefined) return { header: response.header, trailer, message };
    const text = `protocol error: ${message === undefined ? "no message" : "a second message"} in a unary answer`;
    throw new ConnectError(text, Code.Unimplemented);
  }

  async #stream(request: StreamRequest, settings: FetchSettings): Promise<StreamResponse> {
    const { method, signal } = request;
    const codec = this.#codec(method), protocol = this.#protocol;
    const response = await this.#post(request, await this.#wholeRequest(request, settings));
    const trailer = new Headers();
    try {
      const head = readHead(method, response, protocol, settings);
      if (head.error !== undefined) throw head.error;
      const messages = messagesOf(response, head, trailer, protocol, settings);
      return { ...request, header: response.header, trailer, message: parsed(messages, codec, signal) };
    } catch (error) {
      return fail(error, signal);
    }
  }

  /** All messages of a request: fetch sends no stream over HTTP/1.1, and in most places not over HTTP/2 either. */
  async #wholeRequest(
    { method, message, signal }: StreamRequest,
    settings: FetchSettings,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const codec = this.#codec(method);
    const pieces: Uint8Array[] = [];
    const iterator = message[Symbol.asyncIterator]();
    for (;;) {
      // The caller's iterable may never yield again.
      const { done, value } = await unlessAborted(iterator.next(), signal);
      if (done) return joined(pieces);
      pieces.push(await envelope(codec.serialize(value), settings));
    }
  }

  #post({ url, header, signal }: UnaryRequest | StreamRequest, body: Uint8Array<ArrayBuffer>): Promise<HttpResponse> {
    return exchange(this.#settings.fetcher, url, { method: "POST", headers: header, body, signal });
  }
}

function bidi(method: DescMethod): ConnectError {
  const text = `${method.parent.typeName}/${method.name} is a bidirectional stream, which fetch can't carry: ` +
    "use grpcConnector() of connect-lb/node, createWorkerTransport() of connect-lb/workers, or a server stream and " +
    "unary calls";
  return note(new ConnectError(text, Code.Unimplemented), "final");
}

async function* parsed(
  messages: AsyncIterable<Uint8Array>,
  { parse }: Codec,
  signal: AbortSignal,
): AsyncGenerator<MessageShape<DescMessage>, void> {
  try {
    for await (const bytes of messages) yield parse(bytes);
  } catch (error) {
    fail(error, signal);
  }
}

/** Throws the error of a call whose server began to answer: it did answer, unless the connection was lost. */
function fail(error: unknown, signal: AbortSignal): never {
  if (signal.aborted || readMark(error) !== undefined) throw error;
  throw markAttempt(ConnectError.from(error, Code.Internal), "answered");
}
