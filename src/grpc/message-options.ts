// The options about messages that both ends of a call take.

import type { BinaryReadOptions, BinaryWriteOptions } from "@bufbuild/protobuf";
import type { Compression } from "@connectrpc/connect/protocol";
import { bytes, type Check, type Checks, kind, listOf, object } from "../option.ts";

/** The most that gRPC can express. */
export const MAX_MESSAGE_BYTES: number = 0xffff_ffff;
/** The receive limit of grpc-go and grpc-js. */
export const DEFAULT_READ_MAX_BYTES: number = 4 * 1024 * 1024;
/** Smaller messages hardly gain from it. */
export const DEFAULT_COMPRESS_MIN_BYTES: number = 1024;

/** Options about messages. */
export interface MessageOptions {
  binaryOptions?: Partial<BinaryReadOptions & BinaryWriteOptions> | undefined;
  acceptCompression?: Compression[] | undefined;
  compressMinBytes?: number | undefined;
  readMaxBytes?: number | undefined;
  writeMaxBytes?: number | undefined;
}

/** The checks of {@link MessageOptions}. */
export const MESSAGE_OPTIONS: Checks<MessageOptions> = {
  binaryOptions: object,
  acceptCompression: listOf("an array of compressions, { name, compress, decompress }", isCompression),
  compressMinBytes: bytes(0),
  readMaxBytes: bytes(1, MAX_MESSAGE_BYTES),
  writeMaxBytes: bytes(1, MAX_MESSAGE_BYTES),
};

/** A compression such as connect-node's `compressionGzip`. */
export const compression: Check = /* @__PURE__ */ kind("a compression, { name, compress, decompress }", isCompression);

function isCompression(value: unknown): boolean {
  const { name, compress, decompress } = (value ?? {}) as Partial<Record<keyof Compression, unknown>>;
  return typeof name === "string" && typeof compress === "function" && typeof decompress === "function";
}
