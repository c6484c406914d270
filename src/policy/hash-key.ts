import type { Endpoint } from "../endpoint.ts";
import { type Check, type Checks, fn, kind } from "../option.ts";
import { NO_SEED, type Uint64, xxh64 } from "../hash/xxh64.ts";
import type { CallInfo } from "./policy.ts";

/** What policies that hash take their keys from. */
export interface HashKeyOptions {
  /**
   * The request header whose value is the key of calls that have none of their own (`balance({ hashKey })`). If it is
   * set several times, the values count as one, joined by `", "`. Its name may not end in `-bin`. Defaults to none: such
   * calls go anywhere. gRPC's `requestHashHeader`.
   */
  readonly requestHashHeader?: string;
  /**
   * An endpoint's own key, by which it is placed among the others, for example the name of a pod that keeps it when its
   * address changes: `({ metadata }) => (metadata as Pod).name`. Of endpoints with the same key, only the first in
   * address order gets calls while it is up. Defaults to the address, also where it returns no text. gRPC's endpoint
   * attribute `hash_key`.
   */
  readonly endpointKey?: (endpoint: Endpoint) => string | undefined;
}

const headerName: Check = /* @__PURE__ */ kind(
  'the name of a request header that is not binary: "x-user-id"',
  (value) => typeof value === "string" && /^[a-z0-9_.-]+$/i.test(value) && !/-bin$/i.test(value),
);

/** The checks of {@link HashKeyOptions}. */
export const HASH_KEY: Checks<HashKeyOptions> = {
  requestHashHeader: headerName,
  endpointKey: /* @__PURE__ */ fn("a function, (endpoint) => string"),
};

/** An endpoint's own key. */
export function endpointKeyOf(endpoint: Endpoint, { endpointKey }: HashKeyOptions): string {
  const key = endpointKey?.(endpoint);
  return typeof key === "string" && key !== "" ? key : endpoint.address;
}

/** The hash of a call's key, in an object that the next call reuses; undefined if it has no key. */
export function hashOf(call: CallInfo, { requestHashHeader }: HashKeyOptions): Readonly<Uint64> | undefined {
  const key = call.hashKey ?? (requestHashHeader === undefined ? undefined : call.header.get(requestHashHeader));
  if (key === undefined || key === null) return undefined;
  xxh64(key, NO_SEED, hash);
  return hash;
}

const hash: Uint64 = { ...NO_SEED };
