import type { BinaryReadOptions, BinaryWriteOptions } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { type Checks, interceptors, milliseconds } from "../../option.ts";
import { defaultCompressions } from "../compression.ts";
import { binaryFormat, type MessageFormat } from "../message-format.ts";
import {
  compression,
  DEFAULT_COMPRESS_MIN_BYTES,
  DEFAULT_READ_MAX_BYTES,
  MAX_MESSAGE_BYTES,
  MESSAGE_OPTIONS,
} from "../message-options.ts";

/** How calls are made. The fields have the same meaning as in connect-node's `createGrpcTransport`. */
export interface GrpcOptions {
  /** Run around every call, the last one innermost. */
  interceptors?: Interceptor[] | undefined;
  /** Options for the binary format. */
  binaryOptions?: Partial<BinaryReadOptions & BinaryWriteOptions> | undefined;
  /**
   * Compressions the server may use, in order of preference. Defaults to gzip, which is inflated at most 1 MiB beyond
   * `readMaxBytes`. Brotli can't be stopped so early: a few bytes of it take up to 20 MiB a call. If the servers are
   * trusted, connect-node's `compressionBrotli` can be given here.
   */
  acceptCompression?: Compression[] | undefined;
  /** Compresses requests. Defaults to none, since not every server supports it. */
  sendCompression?: Compression | undefined;
  /** Messages smaller than this are sent uncompressed, in bytes. Defaults to 1024. */
  compressMinBytes?: number | undefined;
  /**
   * The largest message accepted, in bytes. Defaults to 4 MiB, gRPC's usual limit (connect-node's is 2³²−1, the most
   * that gRPC can express): a faulty server could otherwise exhaust the memory.
   */
  readMaxBytes?: number | undefined;
  /** The largest message sent, in bytes. Defaults to 2³²−1. */
  writeMaxBytes?: number | undefined;
  /** The timeout of calls without one of their own, in milliseconds. Defaults to none. */
  defaultTimeoutMs?: number | undefined;
}

/** How messages are written. */
export interface FormatOption {
  /** Defaults to the binary format. */
  readonly format?: MessageFormat | undefined;
}

/** {@link GrpcOptions} with all defaults in place. */
export interface ResolvedGrpcOptions {
  readonly interceptors: Interceptor[];
  readonly format: MessageFormat;
  readonly acceptCompression: readonly Compression[];
  readonly sendCompression: Compression | undefined;
  readonly compressMinBytes: number;
  readonly readMaxBytes: number;
  readonly writeMaxBytes: number;
  readonly defaultTimeoutMs: number | undefined;
}

/** The checks of {@link GrpcOptions}. */
export const GRPC_OPTIONS: Checks<GrpcOptions> = {
  interceptors,
  ...MESSAGE_OPTIONS,
  sendCompression: compression,
  defaultTimeoutMs: milliseconds,
};

/** Fills in defaults. `format` defaults to the binary one. */
export function resolveGrpcOptions(options: GrpcOptions & FormatOption): ResolvedGrpcOptions {
  return {
    interceptors: options.interceptors ?? [],
    format: options.format ?? binaryFormat(options.binaryOptions),
    acceptCompression: options.acceptCompression ?? defaultCompressions,
    sendCompression: options.sendCompression,
    compressMinBytes: options.compressMinBytes ?? DEFAULT_COMPRESS_MIN_BYTES,
    readMaxBytes: options.readMaxBytes ?? DEFAULT_READ_MAX_BYTES,
    writeMaxBytes: options.writeMaxBytes ?? MAX_MESSAGE_BYTES,
    defaultTimeoutMs: options.defaultTimeoutMs,
  };
}
