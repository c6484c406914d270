import type { DescMethod, DescMethodStreaming, DescMethodUnary } from "@bufbuild/protobuf";
import type { BytesValueSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { parseTimeout } from "@connectrpc/connect/protocol-grpc";
import { textOf } from "../../error-text.ts";
import { rawMethod } from "../../raw-method.ts";
import { frame, joined, lastFrame, messagesOf, passedOn } from "./frames.ts";
import { METHOD_HEADER, parseMethod } from "./protocol.ts";

type Bytes = typeof BytesValueSchema;

/** How many methods are remembered. */
const MOST_METHODS = 1_000;

/** Methods by kind and path: making one costs more than a call. */
const methods = new Map<string, DescMethod>();

/** How much earlier than the caller's deadline the object's is, so that its answer says why a call took so long. */
const LEAST_MARGIN_MS = 50;
const MOST_MARGIN_MS = 500;

/** The object's share of a call's time. Of short times, the margin takes a quarter at most. */
function ownTimeoutMs(callerMs: number | undefined): number | undefined {
  if (callerMs === undefined) return undefined;
  const marginMs = Math.min(Math.max(LEAST_MARGIN_MS, callerMs / 20), MOST_MARGIN_MS, callerMs / 4);
  return Math.ceil(callerMs - marginMs);
}

/** A call on its way from a gRPC-Web request to a transport and back, whatever its messages are. */
interface RelayedCall {
  readonly request: Request;
  readonly transport: Transport;
  readonly signal: AbortSignal;
  /** See {@link ownTimeoutMs}. */
  readonly timeoutMs: number | undefined;
  readonly header: Headers;
}

/**
 * Makes the call that a gRPC-Web request asks for, of any method, over a transport whose links carry methods without a
 * schema. Metadata, deadline, cancellation, trailers and errors with their details pass through.
 */
export async function relay(request: Request, transportOf: () => Transport): Promise<Response> {
  const abort = new AbortController();
  const cancel = () => abort.abort(new ConnectError("the caller has gone", Code.Canceled));
  request.signal?.addEventListener("abort", cancel);
  try {
    const method = methodOf(request);
    const { timeoutMs: callerMs, error } = parseTimeout(request.headers.get("grpc-timeout"), Infinity);
    if (error !== undefined) throw error;
    const header = passedOn(request.headers), timeoutMs = ownTimeoutMs(callerMs);
    const call: RelayedCall = { request, transport: transportOf(), signal: abort.signal, timeoutMs, header };
    if (method.methodKind === "unary") return await relayUnary(call, method as DescMethodUnary<Bytes, Bytes>);
    return await relayStream(call, method as DescMethodStreaming<Bytes, Bytes>, cancel);
  } catch (error) {
    return answer(new Headers(), lastFrame(new Headers(), ConnectError.from(error)));
  }
}

function methodOf({ method, url, headers }: Request): DescMethod {
  const described = headers.get(METHOD_HEADER), read = parseMethod(described);
  if (method !== "POST" || read === undefined) {
    throw new ConnectError("the balancer object takes the calls of objectTransport() alone", Code.Unimplemented);
  }
  const { pathname } = new URL(url), key = `${described} ${pathname}`;
  let known = methods.get(key);
  if (known === undefined) {
    if (methods.size === MOST_METHODS) methods.clear();
    methods.set(key, known = methodAt(pathname, read.kind, read.idempotency));
  }
  return known;
}

/** @throws ConnectError Unimplemented for what is no path of a method */
function methodAt(path: string, kind: DescMethod["methodKind"], idempotency: DescMethod["idempotency"]): DescMethod {
  try {
    return rawMethod(path, kind as "unary", { idempotency });
  } catch (error) {
    throw new ConnectError(textOf(error), Code.Unimplemented, undefined, undefined, error);
  }
}

async function relayUnary(call: RelayedCall, method: DescMethodUnary<Bytes, Bytes>): Promise<Response> {
  const { request, transport, signal, timeoutMs, header } = call;
  let value: Uint8Array | undefined;
  for await (const message of messagesOf(request.body)) value = message;
  if (value === undefined) throw new ConnectError("the request has no message", Code.InvalidArgument);
  const response = await transport.unary(method, signal, timeoutMs, header, {
    value: value as Uint8Array<ArrayBuffer>,
  });
  return answer(response.header, joined(frame(0, response.message.value), lastFrame(response.trailer)));
}

async function relayStream(
  call: RelayedCall,
  method: DescMethodStreaming<Bytes, Bytes>,
  cancel: () => void,
): Promise<Response> {
  const { request, transport, signal, timeoutMs, header } = call;
  const input = async function* () {
    for await (const value of messagesOf(request.body)) yield { value: value as Uint8Array<ArrayBuffer> };
  };
  const response = await transport.stream(method, signal, timeoutMs, header, input());
  const messages = response.message[Symbol.asyncIterator]();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await messages.next();
        if (done !== true) return controller.enqueue(frame(0, value.value));
        controller.enqueue(lastFrame(response.trailer));
      } catch (error) {
        controller.enqueue(lastFrame(response.trailer, ConnectError.from(error)));
      }
      controller.close();
    },
    cancel,
  });
  return answer(response.header, body);
}

function answer(header: Headers, body: Uint8Array | ReadableStream<Uint8Array>): Response {
  const headers = passedOn(header);
  headers.set("content-type", "application/grpc-web+proto");
  return new Response(body as BodyInit, { headers });
}
