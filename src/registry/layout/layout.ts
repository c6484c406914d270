import type { Endpoint } from "../../endpoint.ts";
import type { EndpointAttributes } from "../registry.ts";

/**
 * How a registry's keys and values are spelled.
 *
 * A layout is an object that is passed in (`createEtcdRegistry({ layout: goZero() })`). Keys are strings, written and
 * compared as UTF-8; values are text.
 *
 * To write one, say what all keys of a service begin with (`prefix`), what a server writes (`write`) and what a client
 * makes of an entry (`read`; `readEntry` reads all the usual values); `root` and `serviceOf` let `Registry.list()` tell
 * the services. `grpclb.ts` is the example, docs/layouts.md shows one of a user's own.
 */
export interface Layout {
  /** Whether a service's name may have a "/" in it. Defaults to false. */
  readonly slashes?: boolean;
  /**
   * What all keys of a service begin with. It ends with "/", or the keys of `user-admin` would be found under `user`.
   * It must be the same for every endpoint of the service.
   */
  prefix(service: string): string;
  /**
   * What the keys of all services begin with; "" if they stand beside keys of other programs. With `serviceOf` it makes
   * `Registry.list()` possible; without both, that rejects.
   */
  readonly root?: string;
  /**
   * The service that an entry below the root belongs to. Undefined if there is none. It must not throw. Entries are
   * written by anyone: one whose name no service can have, or whose key is not under that service's prefix, is skipped.
   */
  serviceOf?(key: string, value: string): string | undefined;
  /**
   * The key and the value that a server writes.
   *
   * @throws TypeError or RangeError if the layout has no place for an attribute.
   */
  write(entry: LayoutEntry): { readonly key: string; readonly value: string };
  /**
   * Whether an entry under a service's prefix is that service's, and not that of another one whose name begins with it and
   * a "/"; such an entry is left out without a word. It must not throw. Defaults to true.
   */
  owns?(service: string, key: string, value: string): boolean;
  /**
   * The endpoint that an entry stands for. Entries are written by anyone: never trust one.
   *
   * @throws Error, with the reason, for an entry that is none; it is left out of the set and reported.
   */
  read(key: string, value: string): Endpoint;
}

/** What a server writes. */
export interface LayoutEntry extends EndpointAttributes {
  /** The service's name, checked. */
  readonly service: string;
  /** `host:port`. */
  readonly address: string;
  /** The registry's lease, for layouts that name keys by it. A new one comes after each loss. */
  readonly lease: bigint;
}
