import {
  create,
  createFileRegistry,
  type DescMethod,
  type DescMethodStreaming,
  type DescMethodUnary,
} from "@bufbuild/protobuf";
import {
  type BytesValueSchema,
  file_google_protobuf_wrappers,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  type MethodOptions_IdempotencyLevel,
} from "@bufbuild/protobuf/wkt";

/** What else is known of a method without a schema. */
export interface RawMethodOptions {
  /** As the schema's `idempotency_level`: whether a call that may have been processed can be repeated. */
  readonly idempotency?: MethodOptions_IdempotencyLevel;
  /** What its bytes are, for the content type of its calls. Defaults to what the link's are. */
  readonly format?: "proto" | "json";
}

/** The methods made by {@link rawMethod}, with their formats. */
const raw = new WeakMap<DescMethod, RawMethodOptions["format"]>();

/**
 * A method without a schema, known only by its path, for relays and tools: its messages are bytes, sent and received as
 * they are, in the `value` of a `BytesValue`. Call it with a transport: `transport.unary(method, …, { value: bytes })`.
 *
 * Links of `grpcConnector()` carry such calls; others reject them. Reuse the method for further calls of the same path:
 * making one costs more than a call. `idempotency` says whether it may be retried; it defaults to unknown.
 *
 * @throws TypeError for a path that is not `/package.Service/Method`, or an unknown kind.
 */
export function rawMethod(
  path: string,
  kind: "unary",
  options?: RawMethodOptions,
): DescMethodUnary<typeof BytesValueSchema, typeof BytesValueSchema>;
/** The same for streaming methods. */
export function rawMethod(
  path: string,
  kind: "client_streaming" | "server_streaming" | "bidi_streaming",
  options?: RawMethodOptions,
): DescMethodStreaming<typeof BytesValueSchema, typeof BytesValueSchema>;
export function rawMethod(
  path: string,
  kind: DescMethod["methodKind"],
  { format, idempotency }: RawMethodOptions = {},
): DescMethod {
  const [, service, name] = /^\/([\x21-\x7e]+)\/([\x21-\x2e\x30-\x7e]+)$/.exec(path) ?? [];
  if (service === undefined || name === undefined) {
    throw new TypeError(`rawMethod() takes a path, "/package.Service/Method", not ${JSON.stringify(path)}`);
  }
  if (!["unary", "client_streaming", "server_streaming", "bidi_streaming"].includes(kind)) {
    throw new TypeError(`rawMethod() takes a kind such as "unary" or "bidi_streaming", not ${JSON.stringify(kind)}`);
  }
  const dot = service.lastIndexOf(".");
  const file = create(FileDescriptorProtoSchema, {
    name: path,
    package: service.slice(0, Math.max(0, dot)),
    syntax: "proto3",
    dependency: ["google/protobuf/wrappers.proto"],
    service: [{
      name: service.slice(dot + 1),
      method: [{
        name,
        inputType: ".google.protobuf.BytesValue",
        outputType: ".google.protobuf.BytesValue",
        ...idempotency !== undefined && { options: { idempotencyLevel: idempotency } },
        clientStreaming: kind === "client_streaming" || kind === "bidi_streaming",
        serverStreaming: kind === "server_streaming" || kind === "bidi_streaming",
      }],
    }],
  });
  const method = methodOf(file, service);
  raw.set(method, format);
  return method;
}

let relayed: DescMethodStreaming<typeof BytesValueSchema, typeof BytesValueSchema> | undefined;

/**
 * A method of which a relay knows nothing but the path: not even its kind, so it counts as bidirectional, and the path
 * may be no method's. Only its names tell it from others, so that one costs less than a call.
 */
export function relayedMethod(path: string, { idempotency }: RawMethodOptions = {}): DescMethodStreaming {
  relayed ??= rawMethod("/relayed.Service/Method", "bidi_streaming");
  const slash = path.lastIndexOf("/");
  const typeName = path.slice(1, Math.max(1, slash)), name = path.slice(slash + 1);
  const parent = Object.assign(Object.create(Object.getPrototypeOf(relayed.parent)), relayed.parent, {
    typeName,
    name: typeName.slice(typeName.lastIndexOf(".") + 1),
    toString: () => `service ${typeName}`,
  });
  const method = Object.assign(Object.create(Object.getPrototypeOf(relayed)), relayed, {
    parent,
    name,
    toString: () => `rpc ${typeName}.${name}`,
    ...idempotency !== undefined && { idempotency },
  }) as DescMethodStreaming;
  raw.set(method, undefined);
  return method;
}

function methodOf(file: FileDescriptorProto, service: string): DescMethod {
  try {
    const found = createFileRegistry(file, () => file_google_protobuf_wrappers).getService(service);
    if (found === undefined) throw new Error(`invalid service name "${service}"`);
    return found.methods[0]!;
  } catch (cause) {
    throw new TypeError(`rawMethod() takes a path of Protobuf names: ${(cause as Error).message}`, { cause });
  }
}

/** Whether a method's messages are bytes. */
export function isRawMethod(method: DescMethod): boolean {
  return raw.has(method);
}

/** What a method's bytes are, if it is one without a schema that says so. */
export function rawFormat(method: DescMethod): RawMethodOptions["format"] {
  return raw.get(method);
}
