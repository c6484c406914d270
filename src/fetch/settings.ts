import type { MessageListener } from "../connection/end-reporting.ts";
import { type ResolvedGrpcOptions, resolveGrpcOptions } from "../grpc/client/options.ts";
import type { Fetch, Fetcher } from "../fetcher.ts";
import type { FetchConnectorOptions } from "./options.ts";

/** {@link FetchConnectorOptions} with all defaults in place, as far as calls need them. */
export interface FetchSettings extends ResolvedGrpcOptions {
  readonly fetcher: Fetch | Fetcher | undefined;
  readonly isBinary: boolean;
  readonly useHttpGet: boolean;
  /** Sent with each call that doesn't set the same names itself. */
  readonly headers: HeadersInit | undefined;
  /** Hears of a call's messages; undefined if nobody does. */
  readonly messages?: Partial<MessageListener>;
}

/** Fills in defaults. */
export function settingsOf(options: FetchConnectorOptions): FetchSettings {
  const { fetch, headers, useHttpGet = false, acceptCompression = [] } = options;
  const resolved = resolveGrpcOptions({ ...options, acceptCompression });
  return { ...resolved, fetcher: fetch, isBinary: resolved.format.name === "proto", useHttpGet, headers };
}
