import type { Endpoint } from "../../endpoint.ts";
import type { EndpointAttributes } from "../registry.ts";

/**
 * How a registry's keys and values are spelled.
 *
 * A layout is an object that is passed in (`createEtcdRegistry({ layout: goZero() })`). Keys are strings, written and
 * compared as UTF-8; values are text.
 *
 * To write one, define the common prefix of a service's keys (`prefix`), what a server writes (`write`) and how a
 * client parses an entry (`read`; `readEntry` parses all the usual values); `root` and `serviceOf` let
 * `Registry.list()` find the services. `grpclb.ts` is the example; docs/layouts.md shows a custom one.
 */
export interface Layout {
  /** Whether a service's name may contain "/". Defaults to false. */
  readonly slashes?: boolean;
  /**
   * The common prefix of all keys of a service. It ends with "/", or the keys of `user-admin` would be found under
   * `user`. It must be the same for every endpoint of the service.
   */
  prefix(service: string): string;
  /**
   * The common prefix of the keys of all services; "" if they are mixed with keys of other programs. Together with
   * `serviceOf` it enables `Registry.list()`, which otherwise rejects.
   */
  readonly root?: string;
  /**
   * The service that an entry below the root belongs to; undefined if there is none. It must not throw. Anyone can
   * write entries: one with an invalid service name, or with a key outside that service's prefix, is skipped.
   */
  serviceOf?(key: string, value: string): string | undefined;
  /**
   * The key and the value that a server writes.
   *
   * @throws TypeError or RangeError if the layout can't store an attribute.
   */
  write(entry: LayoutEntry): { readonly key: string; readonly value: string };
  /**
   * Whether an entry under a service's prefix belongs to that service, rather than to another one whose name begins
   * with it and a "/"; such an entry is silently left out. It must not throw. Defaults to true.
   */
  owns?(service: string, key: string, value: string): boolean;
  /**
   * The endpoint that an entry stands for. Anyone can write entries: never trust one.
   *
   * @throws Error, with the reason, for an invalid entry; it is left out of the set and reported.
   */
  read(key: string, value: string): Endpoint;
}

/** What a server writes. */
export interface LayoutEntry extends EndpointAttributes {
  /** The service's name, checked. */
  readonly service: string;
  /** `host:port`. */
  readonly address: string;
  /** The registry's lease id, for layouts that use it in keys. It changes whenever a lease is lost. */
  readonly lease: bigint;
}
