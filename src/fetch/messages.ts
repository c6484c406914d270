// The messages of a call as the body of a request, and of a response's body.

import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { decompressed } from "../grpc/compression.ts";
import {
  checkLength,
  COMPRESSED,
  type Envelope,
  EnvelopeReader,
  messagePrefix,
  PREFIX_BYTES,
} from "../grpc/envelope.ts";
import { quoted } from "../option.ts";
import type { HttpResponse } from "./http-client.ts";
import { broken, type Head, type Protocol } from "./protocol.ts";
import type { FetchSettings } from "./settings.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A message as it is sent: compressed if that is wanted and worth it. */
export async function compressed(
  message: Uint8Array,
  { sendCompression, compressMinBytes, messages }: FetchSettings,
): Promise<{ bytes: Uint8Array; by: Compression | undefined }> {
  const by = message.length < compressMinBytes ? undefined : sendCompression;
  const bytes = by === undefined ? message : await by.compress(message as Bytes);
  messages?.messageSent?.(bytes.length, message.length);
  return { bytes, by };
}

/** Joins pieces; one alone is not copied. */
export function joined(pieces: readonly Uint8Array[]): Bytes {
  if (pieces.length === 1) return pieces[0] as Bytes;
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** A message behind its prefix. */
export async function envelope(message: Uint8Array, settings: FetchSettings): Promise<Bytes> {
  const { bytes, by } = await compressed(message, settings);
  const whole = new Uint8Array(PREFIX_BYTES + bytes.length);
  whole.set(messagePrefix(by === undefined ? 0 : COMPRESSED, bytes.length));
  whole.set(bytes, PREFIX_BYTES);
  return whole;
}

/** The whole body. @throws ConnectError ResourceExhausted if it is larger than allowed. */
export async function wholeBody({ body }: HttpResponse, maxBytes: number): Promise<Bytes> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of body) {
    checkLength(length += piece.length, maxBytes);
    pieces.push(piece);
  }
  return joined(pieces);
}

/** Reads the head of a stream, and what its messages are compressed with. */
export function readHead(
  method: DescMethod,
  { status, header }: HttpResponse,
  protocol: Protocol,
  { isBinary, acceptCompression }: FetchSettings,
): Head & { readonly compression: Compression | undefined } {
  const head = protocol.head(method, isBinary, status, header);
  const name = header.get(protocol.encoding);
  if (name === null || name.toLowerCase() === "identity") return { ...head, compression: undefined };
  const compression = acceptCompression.find((each) => each.name === name);
  if (compression !== undefined) return { ...head, compression };
  throw new ConnectError(`unsupported response encoding ${quoted(name)}`, Code.Internal, header);
}

/** The messages of a stream; its trailers go into `trailer` when the last has come. */
export async function* messagesOf(
  { body, header }: HttpResponse,
  { error, over, compression }: ReturnType<typeof readHead>,
  trailer: Headers,
  { endFlag, end }: Protocol,
  { readMaxBytes, messages }: FetchSettings,
): AsyncGenerator<Uint8Array, void> {
  const reader = new EnvelopeReader(readMaxBytes);
  let ended = false;
  for await (const piece of body) {
    reader.push(piece);
    for (let next = reader.next(); next !== undefined; next = reader.next()) {
      if (ended) throw broken("a message after the end");
      const bytes = await inflated(next, compression, readMaxBytes);
      if ((next.flags & endFlag) === 0) {
        messages?.messageReceived?.(next.bytes.length, bytes.length);
        yield bytes;
        continue;
      }
      ended = true;
      end(bytes, header).forEach((value, name) => trailer.append(name, value));
    }
  }
  if (reader.incomplete) throw broken("incomplete envelope");
  if (ended) return;
  if (error !== undefined) throw error;
  if (!over) throw broken("the end is missing", header.has("grpc-status") ? Code.Unimplemented : undefined);
}

/** The message of an envelope. What can't be decompressed in a response is the server's fault. */
async function inflated(
  envelope: Envelope,
  compression: Compression | undefined,
  maxBytes: number,
): Promise<Uint8Array> {
  try {
    return await decompressed(envelope, compression, maxBytes);
  } catch (error) {
    const { code, rawMessage, cause } = ConnectError.from(error, Code.Internal);
    throw new ConnectError(
      rawMessage,
      code === Code.InvalidArgument ? Code.Internal : code,
      undefined,
      undefined,
      cause,
    );
  }
}
