import type { DescMethodStreaming, DescMethodUnary } from "@bufbuild/protobuf";
import { type BytesValueSchema, MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { textOf } from "../../error-text.ts";
import { rawMethod, type RawMethodOptions } from "../../raw-method.ts";
import { requestError } from "./request-error.ts";

type Bytes = typeof BytesValueSchema;

/** A method of one request message and one response message, all of which are bytes. */
export type RawUnary = DescMethodUnary<Bytes, Bytes>;
/** A method of any number of both. */
export type RawStreaming = DescMethodStreaming<Bytes, Bytes>;

/** What is said of a method. */
export interface MethodTraits {
  readonly format: "proto" | "json";
  readonly idempotent: boolean;
}

/** How many are remembered: paths come from clients. */
const MOST_METHODS = 1_000;

/** Methods by kind and path: making one costs more than a call. */
export class RawMethods {
  readonly #known = new Map<string, RawUnary | RawStreaming>();

  /** @throws ConnectError Unimplemented for what is no path of a method */
  unary(path: string, traits: MethodTraits): RawUnary {
    return this.#method(
      `unary ${traits.format} ${path}`,
      () => rawMethod(path, "unary", optionsOf(traits)),
    ) as RawUnary;
  }

  /** @throws ConnectError Unimplemented for what is no path of a method */
  streaming(path: string, traits: MethodTraits): RawStreaming {
    const make = () => rawMethod(path, "bidi_streaming", optionsOf(traits));
    return this.#method(`stream ${traits.format} ${path}`, make) as RawStreaming;
  }

  #method(key: string, make: () => RawUnary | RawStreaming): RawUnary | RawStreaming {
    let method = this.#known.get(key);
    if (method === undefined) {
      try {
        method = make();
      } catch (error) {
        throw requestError(textOf(error), Code.Unimplemented);
      }
      if (this.#known.size >= MOST_METHODS) this.#known.clear();
      this.#known.set(key, method);
    }
    return method;
  }
}

function optionsOf({ format, idempotent }: MethodTraits): RawMethodOptions {
  return { format, ...idempotent && { idempotency: MethodOptions_IdempotencyLevel.IDEMPOTENT } };
}
