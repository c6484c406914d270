// Calls of gRPC as observers see them at their beginning.

import type { DescMethod } from "@bufbuild/protobuf";
import { type ContextValues, createContextValues } from "@connectrpc/connect";
import type { Peer } from "../../http2/server/peer.ts";
import type { HeaderBlock } from "../../http2/wire/header-block.ts";
import { lazyHeaders } from "../lazy-headers.ts";
import type { CallContext } from "./context.ts";
import type { ServerCallStart } from "./observer.ts";

/** A call of one of the server's methods. */
export class GrpcCallStart implements ServerCallStart {
  readonly protocol = "grpc";
  readonly peer: Peer;
  readonly #context: CallContext;

  constructor(context: CallContext, peer: Peer) {
    this.#context = context;
    this.peer = peer;
  }

  get method(): DescMethod {
    return this.#context.method;
  }
  get header(): Headers {
    return this.#context.requestHeader;
  }
  get contextValues(): ContextValues {
    return this.#context.values;
  }
}

/** A call of a method that the server does not have. */
export class UnknownCallStart implements ServerCallStart {
  readonly protocol = "grpc";
  readonly method = undefined;
  readonly peer: Peer = {};
  readonly #head: HeaderBlock;

  constructor(head: HeaderBlock) {
    this.#head = head;
  }

  get header(): Headers {
    return lazyHeaders(this.#head);
  }
  get contextValues(): ContextValues {
    return createContextValues();
  }
}
