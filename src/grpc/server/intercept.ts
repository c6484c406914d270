// Interceptors around handlers, applied as Connect applies them.

import {
  create,
  type DescMessage,
  type DescMethodStreaming,
  type DescMethodUnary,
  type MessageShape,
} from "@bufbuild/protobuf";
import type { HandlerContext, Interceptor, StreamResponse, UnaryResponse } from "@connectrpc/connect";
import type { CallContext } from "./context.ts";
import { LazyRequest } from "./lazy-request.ts";
import { missingMessage, unexpectedMessage } from "./request-error.ts";
import type { Answer, Route } from "./route.ts";

type Message = MessageShape<DescMessage>;
type Next = ReturnType<Interceptor>;
type Request = Parameters<Next>[0];

/** Runs a unary method in its interceptors. */
export async function interceptUnary(route: Route, context: CallContext, message: Message): Promise<Message> {
  const { service, responseHeader: header, responseTrailer: trailer } = context;
  const method = route.desc as DescMethodUnary;
  const lazy = new LazyRequest(context, false, message);
  const handler: Next = async (request) => {
    const answer = await (route.implementation(request.message, seenBy(context, request, lazy)) as Answer);
    return { stream: false, message: create(method.output, answer), method, service, header, trailer };
  };
  const response = await intercepted(route, handler)(lazy.request);
  replace(header, response.header);
  replace(trailer, response.trailer);
  return (response as UnaryResponse).message;
}

/** Runs a streaming method in its interceptors. Its responses' trailers are known once all of them were read. */
export async function interceptStream(
  route: Route,
  context: CallContext,
  message: AsyncIterable<Message>,
): Promise<AsyncIterable<Message>> {
  const { service, responseHeader: header, responseTrailer: trailer } = context;
  const method = route.desc as DescMethodStreaming;
  const lazy = new LazyRequest(context, true, message);
  const handler: Next = async (request) => {
    const seen = seenBy(context, request, lazy);
    const responses = await streamed(route, request.message as AsyncIterable<Message>, seen);
    return { stream: true, message: responses, method, service, header, trailer };
  };
  const response = await intercepted(route, handler)(lazy.request);
  replace(header, response.header);
  return withTrailer((response as StreamResponse).message, () => replace(trailer, response.trailer));
}

/** The responses of a streaming method, whatever its kind, as full messages. */
async function streamed(
  { desc, implementation }: Route,
  requests: AsyncIterable<Message>,
  context: HandlerContext,
): Promise<AsyncIterable<Message>> {
  switch (desc.methodKind) {
    case "client_streaming":
      return only(create(desc.output, await (implementation(requests, context) as Answer)));
    case "server_streaming":
      return full(desc.output, implementation(await single(requests), context) as AsyncIterable<Message>);
    default:
      return full(desc.output, implementation(requests, context) as AsyncIterable<Message>);
  }
}

/** The only message of a server streaming request. @throws ConnectError */
export async function single(requests: AsyncIterable<Message>): Promise<Message> {
  const iterator = requests[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done) throw missingMessage("server-streaming");
  if (!(await iterator.next()).done) throw unexpectedMessage("server-streaming");
  return first.value;
}

function intercepted({ options: { interceptors } }: Route, handler: Next): Next {
  return interceptors.reduceRight((next, interceptor) => interceptor(next), handler);
}

/** The context that a handler sees: with what its interceptors changed of the request that they got. */
function seenBy(context: CallContext, request: Request, lazy: LazyRequest): HandlerContext {
  if (request === lazy.request && lazy.unchanged) return context;
  const { service, header, signal, contextValues } = request;
  return { ...context.all, service, requestHeader: header, signal, values: contextValues };
}

/** Replaces headers by those of an interceptor's own, if it returned others. */
function replace(headers: Headers, by: Headers): void {
  if (headers === by) return;
  for (const name of [...headers.keys()]) headers.delete(name);
  by.forEach((value, name) => headers.set(name, value));
}

async function* only(message: Message): AsyncIterable<Message> {
  yield message;
}

async function* withTrailer(messages: AsyncIterable<Message>, ended: () => void): AsyncIterable<Message> {
  yield* messages;
  ended();
}

/** Messages as interceptors expect them, made of what a handler yields. */
function full(schema: DescMessage, messages: AsyncIterable<Message>): AsyncIterable<Message> {
  const made = (result: IteratorResult<Message>): IteratorResult<Message> =>
    result.done ? result : { done: false, value: create(schema, result.value) };
  return {
    [Symbol.asyncIterator]() {
      const iterator = messages[Symbol.asyncIterator]();
      return {
        next: () => iterator.next().then(made),
        ...iterator.throw !== undefined && { throw: (error: unknown) => iterator.throw!(error).then(made) },
        ...iterator.return !== undefined && { return: (value?: unknown) => iterator.return!(value).then(made) },
      };
    },
  };
}
