import type { Addresses, Kind } from "./kind.ts";

/** What may be asked of a unary call beyond its message. */
export interface CallSettings {
  readonly timeoutMs?: number;
  /** Header fields that the caller sends along. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * One way to make gRPC calls from JavaScript. Each makes its calls as its users would: a generated client where there is
 * one, messages by protobuf-es. Each call checks the length of what it got and throws if it is wrong.
 */
export interface Contender {
  unary(kind: Kind, settings: CallSettings): Promise<void>;
  serverStream(kind: Kind): Promise<void>;
  bidi(kind: Kind): Promise<void>;
  close(): Promise<void>;
}

/** What a file in `contenders/` exports. */
export interface ContenderModule {
  open(addresses: Addresses): Contender | Promise<Contender>;
}

/** Opens one client per kind, when it is first asked for. */
export function perKind<C>(addresses: Addresses, open: (addresses: readonly string[]) => C): (kind: Kind) => C {
  const clients: Partial<Record<Kind, C>> = {};
  return (kind) => clients[kind] ??= open(addresses[kind]);
}

/** Throws unless `got` is `wanted`: a fast client that loses bytes is no fast client. */
export function expect(what: string, got: number, wanted: number): void {
  if (got !== wanted) throw new Error(`expected ${wanted} ${what}, got ${got}`);
}
