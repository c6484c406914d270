// How a Worker speaks to its balancer object: gRPC-Web, and these beside it.
import type { DescMethod } from "@bufbuild/protobuf";
import type { MethodOptions_IdempotencyLevel as Level } from "@bufbuild/protobuf/wkt";

/** The service whose endpoints a call is for, as a part of a URL. */
export const SERVICE_HEADER = "connect-lb-service";
/** What the object must know of a call's method, since it has no schema: {@link describeMethod}. */
export const METHOD_HEADER = "connect-lb-method";

/** Where registrations are sent to. No method of a service has such a path. */
export const REGISTER_PATH = "/register";
export const DEREGISTER_PATH = "/deregister";

/** A method's kind and whether it may be repeated: `unary 2`. */
export function describeMethod({ methodKind, idempotency }: DescMethod): string {
  return `${methodKind} ${idempotency}`;
}

/** Reads {@link describeMethod}; undefined for anything else. */
export function parseMethod(
  text: string | null,
): { readonly kind: DescMethod["methodKind"]; readonly idempotency: Level } | undefined {
  const [, kind, level] = /^(unary|client_streaming|server_streaming|bidi_streaming) ([012])$/.exec(text ?? "") ?? [];
  return kind === undefined
    ? undefined
    : { kind: kind as DescMethod["methodKind"], idempotency: Number(level) as Level };
}
