// What all calls of one method share, prepared once.

import type { DescMethod } from "@bufbuild/protobuf";
import { HeaderTemplate } from "../../http2/wire/hpack-encoder.ts";
import type { Deadlines } from "../../time/deadline.ts";
import { rawFormat } from "../../raw-method.ts";
import { createCodec } from "../codec.ts";
import type { Codec } from "../codec.ts";
import type { ResolvedGrpcOptions } from "./options.ts";

/** A request's header section: the fields that many requests share, and those of this one. */
export interface HeaderSection {
  readonly template: HeaderTemplate;
  /** Name, value, name, value … */
  readonly extra: readonly string[] | undefined;
}

/** What all calls of one method share. */
export interface Method<D extends DescMethod = DescMethod> {
  readonly desc: D;
  readonly options: ResolvedGrpcOptions;
  readonly deadlines: Deadlines;
  /** Whether its calls are background ones; see `Link.background`. */
  readonly background: boolean;
  /** The usual request header section, without timeout and metadata. */
  readonly usual: HeaderSection;
  /** The pseudo-header fields alone, for calls that bring all other fields. */
  readonly pseudo: HeaderTemplate;
  readonly codec: Codec;
}

/** What all methods of a transport share. */
export interface Target {
  /** `:authority`: the host, with the port if it isn't the scheme's default. */
  readonly authority: string;
  readonly scheme: "http" | "https";
  /** Whether all calls are background ones; see `Link.background`. Defaults to false. */
  readonly background?: boolean | undefined;
}

/** The `user-agent` unless a caller names its own program. */
export const USER_AGENT = "connect-lb";

/** Creates the {@link Method} of a method descriptor (gRPC's PROTOCOL-HTTP2, "Requests"). */
export function createMethod<D extends DescMethod>(
  desc: D,
  target: Target,
  common: ResolvedGrpcOptions,
  deadlines: Deadlines,
): Method<D> {
  const format = rawFormat(desc);
  const options = format === undefined ? common : { ...common, format: { ...common.format, name: format } };
  const path = `/${desc.parent.typeName}/${desc.name}`;
  const pseudo = [
    ":method",
    "POST",
    ":scheme",
    target.scheme,
    ":path",
    path,
    ":authority",
    target.authority,
  ];
  return {
    desc,
    options,
    deadlines,
    background: target.background ?? false,
    pseudo: new HeaderTemplate(pseudo),
    usual: { template: new HeaderTemplate([...pseudo, ...protocolFields(options)]), extra: undefined },
    codec: createCodec(desc, options),
  };
}

/** The fields that every request has. */
export function protocolFields(options: ResolvedGrpcOptions): string[] {
  const { acceptCompression, sendCompression, format } = options;
  const fields = [
    "content-type",
    `application/grpc+${format.name}`,
    "te",
    "trailers", // It detects proxies that would lose the trailers.
    "user-agent",
    USER_AGENT,
  ];
  if (sendCompression !== undefined) fields.push("grpc-encoding", sendCompression.name);
  if (acceptCompression.length > 0) {
    fields.push("grpc-accept-encoding", acceptCompression.map((compression) => compression.name).join(","));
  }
  return fields;
}
