// How a client learns of its call's end (gRPC's PROTOCOL-HTTP2, "Responses").

import { Code, ConnectError } from "@connectrpc/connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { fieldListBytes, HeaderTemplate } from "../../http2/wire/hpack-encoder.ts";
import { metadataFields, RESPONSE_FIELDS } from "../metadata.ts";

/** The trailers of a call that succeeded. */
export const OK: HeaderTemplate = new HeaderTemplate(["grpc-status", "0"]);
/** The start of trailers whose fields all vary. */
export const NO_FIELDS: HeaderTemplate = new HeaderTemplate([]);

/**
 * The status of a call that failed, with its details and metadata, in at most `maxBytes`: a client that can't read it
 * would not even learn the code.
 */
export function statusFields(error: ConnectError, more: readonly string[] | undefined, maxBytes: number): string[] {
  const status = ["grpc-status", String(error.code in Code ? error.code : Code.Unknown)];
  const message = ["grpc-message", encoded(error.rawMessage)];
  const all = [...status, ...message, ...detailsField(error), ...metadataOf(error), ...more ?? []];
  if (fieldListBytes(all) <= maxBytes) return all;
  const brief = [...status, ...message];
  if (fieldListBytes(brief) <= maxBytes) return brief;
  const room = Math.max(0, maxBytes - fieldListBytes([...status, "grpc-message", ""]));
  return [...status, "grpc-message", encoded(error.rawMessage.slice(0, Math.floor(room / MOST_ENCODED_LENGTH)))];
}

/** What a character takes at most when it is encoded: three bytes of UTF-8. */
const MOST_ENCODED_LENGTH = 9;

/**
 * What gRPC's `grpc-message` encodes (PROTOCOL-HTTP2, "Responses"). Not more: grpc-js's clients decode only what they
 * must.
 */
const ENCODED = /[^\x20-\x24\x26-\x7e]+/g;

function encoded(message: string): string {
  let text = message.toWellFormed().replace(ENCODED, encodeURIComponent);
  // HTTP/2 forbids a space at either end.
  if (text.startsWith(" ")) text = `%20${text.slice(1)}`;
  return text.endsWith(" ") ? `${text.slice(0, -1)}%20` : text;
}

/** `google.rpc.Status`, which carries the details. */
function detailsField({ rawMessage, code, details }: ConnectError): string[] {
  if (details.length === 0) return [];
  const name = "grpc-status-details-bin";
  try {
    const detailed = new ConnectError(rawMessage.toWellFormed(), code);
    detailed.details = details;
    return [name, setTrailerStatus(new Headers(), detailed).get(name)!];
  } catch {
    return []; // A detail that can't be encoded must not cost the client the status.
  }
}

/** As in Connect, the metadata of an error that another server sent is not passed on. */
function metadataOf(error: ConnectError): string[] {
  if (error.isWireError) return [];
  try {
    return metadataFields(error.metadata, RESPONSE_FIELDS);
  } catch {
    return [];
  }
}
