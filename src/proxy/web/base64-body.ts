// gRPC-Web's text form: base64, in pieces that may each be padded.

import type { ConnectError } from "@connectrpc/connect";
import { requestError } from "./request-error.ts";

/** The bytes of a body of base64. @throws ConnectError InvalidArgument */
export async function* fromText(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const decoder = new TextDecoder("latin1");
  let rest = "";
  for await (const chunk of body) {
    const text = rest + decoder.decode(chunk).replace(/[\r\n]/g, "");
    const whole = text.length - text.length % 4;
    rest = text.slice(whole);
    yield* decoded(text.slice(0, whole));
  }
  if (rest !== "") throw notBase64();
}

/** Padding ends a piece, after which another may follow. */
function* decoded(text: string): Generator<Uint8Array, void> {
  for (let at = 0; at < text.length;) {
    const padding = text.indexOf("=", at);
    const end = padding < 0 ? text.length : padding - padding % 4 + 4;
    try {
      yield Uint8Array.from(atob(text.slice(at, end)), (character) => character.charCodeAt(0));
    } catch {
      throw notBase64();
    }
    at = end;
  }
}

function notBase64(): ConnectError {
  return requestError("the request is not base64, as application/grpc-web-text must be");
}

/** A body as base64, each piece by itself. */
export async function* asText(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const encoder = new TextEncoder();
  for await (const piece of body) yield encoder.encode(base64(piece));
}

/** How many characters are made at a time: their codes are arguments of a function. */
const AT_A_TIME = 8_192;

function base64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += AT_A_TIME) {
    text += String.fromCharCode(...bytes.subarray(at, at + AT_A_TIME));
  }
  return btoa(text);
}
