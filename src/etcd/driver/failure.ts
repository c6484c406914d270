import type { FailureKind } from "./driver.ts";

/** An attempt on etcd that failed, and what that means. */
export class EtcdError extends Error {
  override readonly name = "EtcdError";
  readonly kind: FailureKind;

  constructor(message: string, kind: FailureKind, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.kind = kind;
  }
}

/** An authentication failed, and until the next one everybody who needs a token gets this error. */
export class AuthenticationError extends EtcdError {
  /** When the next one is tried, on the clock's scale in milliseconds. */
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

/**
 * What etcd's own error texts mean (etcd's api/v3rpc/rpctypes/error.go). The texts tell more than the gRPC codes: a
 * wrong password and an outdated token are both InvalidArgument, and a watch is refused in-band with nothing but text.
 */
export function kindOfText(text: string): FailureKind {
  if (/requested lease not found/i.test(text)) return "lease-gone";
  if (/lease already exists/i.test(text)) return "lease-exists";
  if (/invalid auth token|Unauthenticated|revision of auth store is old|user name is empty/i.test(text)) return "token";
  if (/authentication is not enabled/i.test(text)) return "auth-disabled";
  if (/permission denied|invalid user ID or password/i.test(text)) return "refused";
  return "transient";
}

/** Anything thrown as an error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
