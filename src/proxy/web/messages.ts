// Messages behind their prefixes, which all protocols but unary Connect have in common.

import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { decompressed, deflate, gzip } from "../../grpc/compression.ts";
import { COMPRESSED, type Envelope, EnvelopeReader, PREFIX_BYTES, writePrefix } from "../../grpc/envelope.ts";
import { asOwn, requestError } from "./request-error.ts";
import { MOST_MESSAGE_BYTES } from "./web-call.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const COMPRESSIONS: readonly Compression[] = [gzip, deflate];
/** The names of the compressions that requests may use. */
export const ACCEPTED: string = COMPRESSIONS.map(({ name }) => name).join(",");

/** The compression of a name; undefined for none. @throws ConnectError Unimplemented for an unknown one */
export function compressionNamed(name: string | null): Compression | undefined {
  if (name === null || name === "" || name === "identity") return undefined;
  const found = COMPRESSIONS.find((candidate) => candidate.name === name);
  if (found !== undefined) return found;
  const text = `unknown compression "${name.slice(0, 100)}": supported encodings are ${ACCEPTED}`;
  throw requestError(text, Code.Unimplemented);
}

/** A message behind its prefix. */
export function frame(flags: number, bytes: Uint8Array): Bytes {
  const whole = new Uint8Array(PREFIX_BYTES + bytes.length);
  writePrefix(whole, flags, bytes.length);
  whole.set(bytes, PREFIX_BYTES);
  return whole;
}

/** The messages of a request, without compression. @throws ConnectError for anything else than complete messages */
export async function* messagesOf(
  body: AsyncIterable<Uint8Array>,
  compression: Compression | undefined,
): AsyncGenerator<{ value: Bytes }, void> {
  const reader = new EnvelopeReader(MOST_MESSAGE_BYTES);
  for await (const chunk of body) {
    reader.push(chunk);
    for (let next = nextOf(reader); next !== undefined; next = nextOf(reader)) {
      if ((next.flags & ~COMPRESSED) !== 0) {
        throw requestError(`a message of the request has flags ${next.flags}`);
      }
      yield { value: await plain(next, compression) as Bytes };
    }
  }
  if (reader.incomplete) throw requestError("the request ends within a message");
}

function nextOf(reader: EnvelopeReader): Envelope | undefined {
  try {
    return reader.next();
  } catch (error) {
    throw asOwn(ConnectError.from(error));
  }
}

async function plain(envelope: Envelope, compression: Compression | undefined): Promise<Uint8Array> {
  try {
    return await decompressed(envelope, compression, MOST_MESSAGE_BYTES);
  } catch (error) {
    throw asOwn(ConnectError.from(error));
  }
}

/** A body without its compression. @throws ConnectError */
export async function inflated(bytes: Bytes, compression: Compression | undefined): Promise<Bytes> {
  if (compression === undefined) return bytes;
  return await plain({ flags: COMPRESSED, bytes }, compression) as Bytes;
}

/** All bytes of a request. @throws ConnectError ResourceExhausted above the limit */
export async function wholeBody(body: AsyncIterable<Uint8Array>): Promise<Bytes> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > MOST_MESSAGE_BYTES) {
      const text = `message size is larger than the ${MOST_MESSAGE_BYTES} bytes that this proxy accepts`;
      throw requestError(text, Code.ResourceExhausted);
    }
    chunks.push(chunk);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** A body that is one piece. */
// deno-lint-ignore require-await
export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes;
}
