import { Code, ConnectError } from "@connectrpc/connect";
import { ImmediateResponse, textResponse } from "../grpc/server/immediate-response.ts";
import { isGrpc } from "../grpc/server/request.ts";
import { statusFields } from "../grpc/server/status.ts";
import type { ServerStream } from "../http2/server/stream.ts";
import type { HeaderBlock } from "../http2/wire/header-block.ts";
import { HeaderTemplate } from "../http2/wire/hpack-encoder.ts";
import { RelayedStream, type RelayHost } from "./client-stream.ts";
import { type RequestSection, RequestSections } from "./request-section.ts";
import type { Routes, ServedRoute } from "./routes.ts";

/** What a request is; determined once for equal header sections. */
interface Read {
  readonly grpc: boolean;
  readonly route: ServedRoute | undefined;
  /** Set by the first call that has it: it names the client. */
  section: RequestSection | undefined;
}

/** Makes the stream of a request that is not gRPC's. */
export type AcceptOther = (head: HeaderBlock) => ServerStream;

/** Decides what becomes of the requests that come in on one port. */
export class ProxyDispatcher {
  readonly #port: number;
  readonly #routes: Routes;
  readonly #host: RelayHost;
  readonly #other: AcceptOther;

  constructor(port: number, routes: Routes, host: RelayHost, other: AcceptOther) {
    this.#port = port;
    this.#routes = routes;
    this.#host = host;
    this.#other = other;
  }

  /** The stream of a request. */
  readonly accept = (head: HeaderBlock): ServerStream => {
    if (head.tooLarge) return textResponse(431, "the request's header fields are larger than this proxy accepts");
    const { grpc, route } = this.#read(head);
    if (!grpc) return this.#other(head);
    if (head.method !== "POST") {
      this.#host.refused.unsupported++;
      return textResponse(405, "gRPC calls are POST requests", ["allow", "POST"]);
    }
    return route === undefined ? this.#unimplemented(head) : new RelayedStream(this.#host, head, route);
  };

  #read(head: HeaderBlock): Read {
    return (head.memo ??= {
      grpc: isGrpc(head.get("content-type") ?? ""),
      route: this.#routes.find(this.#port, head.authority, head.path),
      section: undefined,
    } satisfies Read) as Read;
  }

  #unimplemented(head: HeaderBlock): ServerStream {
    this.#host.refused.noRoute++;
    const error = new ConnectError(this.#routes.unserved(this.#port, head.authority, head.path), Code.Unimplemented);
    return new ImmediateResponse(GRPC_HEAD, statusFields(error, undefined, 8_192), undefined);
  }
}

const GRPC_HEAD = new HeaderTemplate([":status", "200", "content-type", "application/grpc"]);

/** Returns what reads the header sections of calls. */
export function sectionReader(): RelayHost["section"] {
  const sections = new RequestSections();
  return (head, stream) => {
    const read = head.memo as Read;
    return read.section ??= sections.read(head, stream.connection!.client);
  };
}
