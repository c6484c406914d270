import { Code, ConnectError } from "@connectrpc/connect";
import type { ServerStream } from "../../http2/server/stream.ts";
import type { HeaderBlock } from "../../http2/wire/header-block.ts";
import { HeaderTemplate } from "../../http2/wire/hpack-encoder.ts";
import type { Clock } from "../../time/clock.ts";
import { deadlinesOf } from "../../time/deadline.ts";
import type { CallHost } from "./call.ts";
import { UnknownCallStart } from "./call-start.ts";
import { ImmediateResponse, textResponse } from "./immediate-response.ts";
import { ObservedCall } from "./observed-call.ts";
import { isGrpc, requestInfo } from "./request.ts";
import type { Services } from "./services.ts";
import { statusFields } from "./status.ts";
import { StreamingServerCall } from "./streaming.ts";
import { UnaryServerCall } from "./unary.ts";
import { UniversalStream } from "./universal-stream.ts";

/** Decides what answers a request on HTTP/2: this library's gRPC, or Connect's handlers for the other protocols. */
export class Dispatcher {
  readonly #services: Services;
  readonly #host: CallHost;

  constructor(services: Services, clock: Clock | undefined) {
    const { calls, contextValues, observers, recorder, report } = services;
    this.#services = services;
    this.#host = { deadlines: deadlinesOf(clock), report, contextValues, recorder, observers, calls };
  }

  /** The stream of a request. */
  readonly accept = (head: HeaderBlock): ServerStream => {
    if (head.tooLarge) return textResponse(431, "the request's header fields are larger than this server accepts");
    const info = requestInfo(head, this.#services.routes);
    const { route } = info;
    if (route === undefined) return isGrpc(head.get("content-type") ?? "") ? this.#unimplemented(head) : notFound(head);
    const { methodKind } = route.desc;
    if (info.exchange === undefined) {
      const longLived = methodKind === "client_streaming" || methodKind === "bidi_streaming";
      const { contextValues, deadlines } = this.#host;
      return new UniversalStream(head, longLived, this.#services.answer, contextValues, deadlines);
    }
    if (head.method !== "POST") return textResponse(405, "gRPC calls are POST requests", ["allow", "POST"]);
    return methodKind === "unary"
      ? new UnaryServerCall(this.#host, head, info)
      : new StreamingServerCall(this.#host, head, info);
  };

  #unimplemented(head: HeaderBlock): ServerStream {
    const error = new ConnectError(`unknown method ${head.path.slice(0, 200)}`, Code.Unimplemented);
    const { observers } = this.#host;
    if (observers !== undefined) ObservedCall.start(observers, new UnknownCallStart(head), true)?.end(error);
    return new ImmediateResponse(GRPC_HEAD, statusFields(error, undefined, 8_192), undefined);
  }
}

const GRPC_HEAD = new HeaderTemplate([":status", "200", "content-type", "application/grpc+proto"]);

function notFound({ method, path }: HeaderBlock): ServerStream {
  const text = `${method} ${
    path.slice(0, 200)
  }: there is no such method. This server speaks gRPC, gRPC-Web and Connect.`;
  return textResponse(404, text);
}
