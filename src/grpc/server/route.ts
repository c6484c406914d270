// What all calls of one method share, prepared once.

import type { DescMessage, DescMethod, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext, type MethodImplSpec } from "@connectrpc/connect";
import type { Compression, UniversalHandler } from "@connectrpc/connect/protocol";
import { HeaderTemplate } from "../../http2/wire/hpack-encoder.ts";
import { type Codec, createServerCodec } from "../codec.ts";
import { COMPILED_CODERS } from "../compiled-coders.ts";
import { jsonFormat } from "../json-format.ts";
import { binaryFormat } from "../message-format.ts";
import type { ResolvedRouteOptions } from "./options.ts";

type Input = MessageShape<DescMessage>;
type Output = MessageInitShape<DescMessage>;

/** A method's implementation, whatever its kind. */
export type Implementation = (request: Input | AsyncIterable<Input>, context: HandlerContext) => unknown;
/** What the implementation of a unary or client streaming method returns. */
export type Answer = Output | Promise<Output>;

/** How the messages of a call are written, as its request's header section says. */
export interface Exchange {
  readonly codec: Codec;
  /** Parses a request's message. @throws ConnectError Internal; for JSON InvalidArgument, as in Connect */
  readonly parse: Codec["parse"];
  readonly requestCompression: Compression | undefined;
  readonly responseCompression: Compression | undefined;
  /** Why messages can't be exchanged in this way. */
  readonly problem: ConnectError | undefined;
  /** The response's header section, without the handler's own fields. */
  readonly head: HeaderTemplate;
  /** The fields at the start of a response that is a status alone. */
  readonly statusAlone: HeaderTemplate;
}

/** The fields of a request that decide about its {@link Exchange}. */
interface Asked {
  readonly contentType: string;
  readonly encoding: string;
  readonly acceptEncoding: string;
}

/** How many exchanges a route remembers: clients send few different ones. */
const REMEMBERED_EXCHANGES = 64;

/**
 * gRPC's content types (PROTOCOL-HTTP2, "Requests"), with parameters, as grpc-go accepts them. Without a format it is
 * the binary one.
 */
const CONTENT_TYPE = /^application\/grpc(?:\+(proto|json))?[ \t]*(?:;.*)?$/i;

/** One method on a router. */
export class Route {
  readonly desc: DescMethod;
  readonly implementation: Implementation;
  readonly options: ResolvedRouteOptions;
  /** Connect's handler, for all other protocols. */
  readonly universal: UniversalHandler;
  /** The names of the compressions that it accepts. */
  readonly acceptEncoding: string;
  readonly #binary: Codec;
  readonly #json: Codec;
  readonly #exchanges = new Map<string, Exchange | undefined>();
  #lastAsked: Asked | undefined;
  #last: Exchange | undefined;

  constructor({ method, impl }: MethodImplSpec, options: ResolvedRouteOptions, universal: UniversalHandler) {
    const { writeMaxBytes } = options;
    this.desc = method;
    this.implementation = impl as Implementation;
    this.options = options;
    this.universal = universal;
    this.acceptEncoding = options.acceptCompression.map((compression) => compression.name).join(",");
    this.#binary = createServerCodec(method, {
      format: binaryFormat(options.binaryOptions, COMPILED_CODERS),
      writeMaxBytes,
    });
    this.#json = createServerCodec(method, { format: jsonFormat(options.jsonOptions), writeMaxBytes });
  }

  /** How a request's messages are written; undefined if its content type is not gRPC's, or of an unknown format. */
  exchange(contentType: string, encoding: string, acceptEncoding: string): Exchange | undefined {
    const last = this.#lastAsked;
    if (
      last !== undefined && last.contentType === contentType && last.encoding === encoding &&
      last.acceptEncoding === acceptEncoding
    ) return this.#last;
    const key = `${contentType}\n${encoding}\n${acceptEncoding}`;
    let exchange = this.#exchanges.get(key);
    if (exchange === undefined && !this.#exchanges.has(key)) {
      exchange = this.#negotiate(contentType, encoding, acceptEncoding);
      if (this.#exchanges.size >= REMEMBERED_EXCHANGES) this.#exchanges.clear();
      if (key.length <= 256) this.#exchanges.set(key, exchange);
    }
    this.#lastAsked = { contentType, encoding, acceptEncoding };
    this.#last = exchange;
    return exchange;
  }

  #negotiate(contentType: string, encoding: string, acceptEncoding: string): Exchange | undefined {
    const type = CONTENT_TYPE.exec(contentType);
    if (type === null) return undefined;
    const json = type[1]?.toLowerCase() === "json";
    const { acceptCompression, compressUnasked } = this.options;
    const named = (name: string) => acceptCompression.find((compression) => compression.name === name);
    const compressed = encoding !== "" && encoding !== "identity";
    const requestCompression = compressed ? named(encoding) : undefined;
    const acceptable = acceptEncoding.split(",").map((name) => name.trim());
    let responseCompression: Compression | undefined;
    // A client that does not say what it accepts is answered in its own encoding.
    if (acceptEncoding === "" || acceptable.includes(encoding)) responseCompression = requestCompression;
    if (compressUnasked && acceptEncoding !== "") responseCompression = acceptable.map(named).find(Boolean);
    const codec = json ? this.#json : this.#binary;
    const [head, statusAlone] = templates(json, responseCompression?.name);
    return {
      codec,
      parse: json ? (bytes) => parseJson(codec, bytes) : codec.parse,
      requestCompression,
      responseCompression,
      problem: compressed && requestCompression === undefined ? this.#unknown(encoding) : undefined,
      head,
      statusAlone,
    };
  }

  /** As gRPC's compression.md has it, with `grpc-accept-encoding` the client learns what it may use. */
  #unknown(encoding: string): ConnectError {
    const text = `unknown compression "${encoding.slice(0, 100)}": supported encodings are ${this.acceptEncoding}`;
    return new ConnectError(text, Code.Unimplemented);
  }
}

function parseJson(codec: Codec, bytes: Uint8Array): Input {
  try {
    return codec.parse(bytes);
  } catch (error) {
    const { rawMessage, cause } = ConnectError.from(error);
    throw new ConnectError(rawMessage, Code.InvalidArgument, undefined, undefined, cause);
  }
}

const made = new Map<string, readonly [HeaderTemplate, HeaderTemplate]>();

/** Shared by all methods: each connection's encoder keeps the encodings of the templates that it has sent. */
function templates(json: boolean, encoding: string | undefined): readonly [HeaderTemplate, HeaderTemplate] {
  const key = `${json ? "json" : "proto"} ${encoding ?? ""}`;
  let pair = made.get(key);
  if (pair === undefined) {
    const fields = [":status", "200", "content-type", `application/grpc+${json ? "json" : "proto"}`];
    const statusAlone = new HeaderTemplate(fields);
    pair = [
      encoding === undefined ? statusAlone : new HeaderTemplate([...fields, "grpc-encoding", encoding]),
      statusAlone,
    ];
    made.set(key, pair);
  }
  return pair;
}
