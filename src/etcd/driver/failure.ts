import type { FailureKind } from "./driver.ts";

/** A failed attempt on etcd, with its classification. */
export class EtcdError extends Error {
  override readonly name = "EtcdError";
  readonly kind: FailureKind;

  constructor(message: string, kind: FailureKind, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.kind = kind;
  }
}

/** An authentication failed. Until the next attempt, every request that needs a token fails with this error. */
export class AuthenticationError extends EtcdError {
  /** When the next attempt is made, in milliseconds of the clock. */
  readonly retryAtMs: number;

  constructor({ message, kind, cause }: EtcdError, retryAtMs: number) {
    super(message, kind, cause);
    this.retryAtMs = retryAtMs;
  }
}

/** A watch was not created in time. */
export class WatchTimeout extends EtcdError {
  constructor(message: string) {
    super(message, "transient");
  }
}

/** gRPC's codes for a missing permission and a missing identity (grpc's statuscodes.md). */
const PERMISSION_DENIED = 7, UNAUTHENTICATED = 16;

/** Classifies a refusal of etcd's by its text, or else by its gRPC code. */
export function kindOfRefusal(text: string, code: number): FailureKind {
  const kind = kindOfText(text);
  if (kind !== "transient") return kind;
  if (code === UNAUTHENTICATED) return "token";
  return code === PERMISSION_DENIED ? "refused" : "transient";
}

/**
 * Classifies etcd's own error texts (etcd's api/v3rpc/rpctypes/error.go). They are more specific than the gRPC codes: a
 * wrong password and an outdated token are both InvalidArgument, and a watch is refused in-band with only a text.
 */
export function kindOfText(text: string): FailureKind {
  if (/requested lease not found/i.test(text)) return "lease-gone";
  if (/lease already exists/i.test(text)) return "lease-exists";
  if (/invalid auth token|Unauthenticated|revision of auth store is old|user name is empty/i.test(text)) return "token";
  if (/authentication is not enabled/i.test(text)) return "auth-disabled";
  if (/permission denied|invalid user ID or password/i.test(text)) return "refused";
  return "transient";
}
