import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { COMPRESSED } from "./envelope.ts";
import type { Envelope } from "./envelope.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** gzip by the web's streams, as every runtime has them. */
export const gzip: Compression = webCompression("gzip", "gzip");
/** gRPC's `deflate`: zlib's format (RFC 1950). */
export const deflate: Compression = webCompression("deflate", "deflate");

let accepted: readonly Compression[] | undefined;

/** What is accepted unless the user says otherwise: gzip, and Brotli where the runtime has it and can stop in it. */
export function defaultCompressions(): readonly Compression[] {
  return accepted ??= hasBrotli() ? [gzip, webCompression("br", "brotli")] : [gzip];
}

/**
 * Deno inflates all of what is written to a stream before anything can be read, and a few bytes of Brotli can hold 16 MiB
 * (RFC 7932 section 5): nothing could stop a bomb there.
 */
function hasBrotli(): boolean {
  if ("Deno" in globalThis) return false;
  try {
    new DecompressionStream("brotli" as CompressionFormat);
    return true;
  } catch {
    return false;
  }
}

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

/**
 * How much is inflated at once: some runtimes hand nothing on before all of it is. A byte of gzip or deflate holds at most
 * 1,032 (RFC 1951: matches of 258 bytes in 2 bits), so that this is up to 16 MiB.
 */
const SLICE_BYTES = 16 * 1024;

/** Pumps bytes through a stream, and stops as soon as more than `maxBytes` come out: a few bytes can hold gigabytes. */
async function collect(
  bytes: Uint8Array,
  through: { readable: ReadableStream<Bytes>; writable: WritableStream<BufferSource> },
  maxBytes: number,
): Promise<Bytes> {
  // What goes wrong there also comes out on the other side.
  feed(through.writable, bytes).catch(() => {});
  const reader = through.readable.getReader();
  const chunks: Bytes[] = [];
  let length = 0;
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

/** Writes a slice when what came of the one before is read. */
async function feed(into: WritableStream<BufferSource>, bytes: Uint8Array): Promise<void> {
  const writer = into.getWriter();
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
    await writer.write(bytes.subarray(at, at + SLICE_BYTES) as Bytes);
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
