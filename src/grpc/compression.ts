// Compressing and decompressing messages, within limits.

import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { COMPRESSED } from "./envelope.ts";
import type { Envelope } from "./envelope.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** gzip by the Compression Streams API, which every runtime has. */
export const gzip: Compression = webCompression("gzip", "gzip");
/** gRPC's `deflate`: zlib's format (RFC 1950). */
export const deflate: Compression = webCompression("deflate", "deflate");

/**
 * The compressions accepted by default. Brotli is not among them: a few bytes of it can expand to 16 MiB (RFC 7932
 * section 5), which a decoder keeps as its window whatever the limit is, and Deno inflates all of it before anything
 * can be read.
 */
export const defaultCompressions: readonly Compression[] = [gzip];

function webCompression(name: string, format: string): Compression {
  return {
    name,
    compress: (bytes) => collect(bytes, new CompressionStream(format as CompressionFormat), Infinity),
    async decompress(bytes, readMaxBytes) {
      if (bytes.length === 0) return new Uint8Array(0);
      try {
        return await collect(bytes, new DecompressionStream(format as CompressionFormat), readMaxBytes);
      } catch (error) {
        if (error instanceof ConnectError) throw error;
        throw new ConnectError("decompression failed", Code.InvalidArgument, undefined, undefined, error);
      }
    },
  };
}

/** A byte of gzip or deflate expands to at most this many (RFC 1951: matches of 258 bytes in 2 bits). */
const MOST_RATIO = 1_032;
/** How far beyond the limit is inflated at most. */
const MOST_BEYOND_BYTES = 1024 * 1024;
const LARGEST_SLICE_BYTES = 16 * 1024;
/** Two slices may be in progress, the second of which is not read. */
const SMALLEST_SLICE_BYTES = Math.floor(MOST_BEYOND_BYTES / MOST_RATIO / 2);

/**
 * Pipes bytes through a stream, and stops as soon as more than `maxBytes` come out: a few bytes can expand to
 * gigabytes.
 */
async function collect(
  bytes: Uint8Array,
  through: { readable: ReadableStream<Bytes>; writable: WritableStream<BufferSource> },
  maxBytes: number,
): Promise<Bytes> {
  const reader = through.readable.getReader();
  const chunks: Bytes[] = [];
  let length = 0;
  // An error there also surfaces on the readable side.
  feed(through.writable, bytes, () => maxBytes - length).catch(() => {});
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > maxBytes) {
      reader.cancel().catch(() => {});
      throw new ConnectError(
        `message is larger than configured readMaxBytes ${maxBytes} after decompression`,
        Code.ResourceExhausted,
      );
    }
    chunks.push(value);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/**
 * Writes a slice once the previous one was taken. Some runtimes inflate a whole slice before any of it can be read, so
 * a slice is limited by what it and the previous one can expand to: what is `left` until the limit, and little more.
 */
async function feed(into: WritableStream<BufferSource>, bytes: Uint8Array, left: () => number): Promise<void> {
  const writer = into.getWriter();
  let slice = 0;
  for (let at = 0; at < bytes.length; at += slice) {
    const most = (left() + MOST_BEYOND_BYTES / 2) / MOST_RATIO - slice;
    slice = Math.floor(Math.min(Math.max(most, SMALLEST_SLICE_BYTES), LARGEST_SLICE_BYTES));
    await writer.write(bytes.subarray(at, at + slice) as Bytes);
    if (left() < 0) return;
  }
  await writer.close();
}

/** The message of an envelope: a promise only if it is compressed. */
export function decompressed(
  envelope: Envelope,
  compression: Compression | undefined,
  maxBytes: number,
): Uint8Array | Promise<Uint8Array> {
  if ((envelope.flags & COMPRESSED) === 0) return envelope.bytes;
  if (compression === undefined) {
    throw new ConnectError("received compressed envelope, but do not know how to decompress", Code.Internal);
  }
  return compression.decompress(envelope.bytes as Bytes, maxBytes);
}
