import { fromBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { SimpleResponseSchema } from "../../../gen/simple_pb.ts";
import type { RawReply } from "../../support/raw-http2/client.ts";
import { ErrorCode } from "../../support/raw-http2/frame.ts";
import type { Field } from "../../support/raw-http2/header-block.ts";

/** What came of a request, as far as it matters to a gRPC client. */
export interface Outcome {
  readonly http: string | undefined;
  readonly contentType: string | undefined;
  /** gRPC's code by name. */
  readonly code: string | undefined;
  readonly message: string | undefined;
  readonly details: readonly string[];
  /** Texts of the messages; of what is no message, its bytes. */
  readonly messages: readonly string[];
  /** Header fields before the messages, then those after them; where there are no messages, all of them. */
  readonly headers: readonly string[];
  readonly trailers: readonly string[];
  /** HTTP/2's error codes by name. */
  readonly reset: string | undefined;
  readonly goaway: string | undefined;
  /** The connection ended before the answer did, without saying why. */
  readonly lost: boolean;
}

const ERROR_NAMES = Object.fromEntries(Object.entries(ErrorCode).map(([name, code]) => [code, name]));

/** Of these, each has a place of its own, or says nothing of the call. */
const APART = [":status", "content-type", "grpc-status", "grpc-message", "grpc-status-details-bin", "date"];

export function outcomeOf({ sections, body, ended, reset, goaway, lost }: RawReply): Outcome {
  const final = sections.filter((section) =>
    !section.some(([name, value]) => name === ":status" && `${value}` < "200")
  );
  const first = final[0] ?? [], last = final.length > 1 ? final[1]! : [];
  const all = [...first, ...last];
  const get = (name: string) => all.find(([field]) => field === name)?.[1] as string | undefined;
  const list = (fields: readonly Field[]) =>
    fields.filter(([name]) => !APART.includes(name)).map(([name, value]) => `${name}: ${value}`).sort();
  const messages = get("content-type")?.startsWith("application/grpc") ? messagesOf(body) : textOf(body);
  const status = get("grpc-status");
  const text = get("grpc-message");
  const details = get("grpc-status-details-bin");
  return {
    http: get(":status"),
    contentType: get("content-type"),
    code: status === undefined ? undefined : status === "0" ? "Ok" : Code[Number(status)] ?? status,
    message: text === undefined ? undefined : withoutEngine(decodeURIComponent(text)),
    details: details === undefined ? [] : detailsOf(details),
    messages,
    // Whether an answer without messages has headers and trailers, or trailers only, is the same to a client.
    headers: list(body.length === 0 ? all : first),
    trailers: list(body.length === 0 ? [] : last),
    // A whole answer may be followed by RST_STREAM(NO_ERROR), RFC 9113 section 8.1; the rest of a request is in vain.
    reset: reset === undefined || ended ? undefined : ERROR_NAMES[reset] ?? String(reset),
    goaway: goaway === undefined ? undefined : ERROR_NAMES[goaway] ?? String(goaway),
    lost: lost && !ended && goaway === undefined,
  };
}

/** What is wrong with JSON or UTF-8 each runtime says in its own words. */
function withoutEngine(message: string): string {
  return message.replace(/(from JSON: ).*(JSON|end of).*/i, "$1…").replace(/(The encoded data ).*/, "$1…");
}

function messagesOf(body: Uint8Array): string[] {
  const messages: string[] = [];
  for (let at = 0; at < body.length;) {
    if (body.length - at < 5) return [...messages, `cut: ${hex(body.subarray(at))}`];
    const length = new DataView(body.buffer, body.byteOffset + at + 1).getUint32(0);
    const content = body.subarray(at + 5, at + 5 + length);
    messages.push(body[at] === 0 ? messageText(content) : `flags ${body[at]}, ${content.length} bytes`);
    at += 5 + length;
  }
  return messages;
}

function messageText(content: Uint8Array): string {
  if (content[0] === "{".charCodeAt(0)) return textOf(content).join();
  try {
    const { code, value } = fromBinary(SimpleResponseSchema, content);
    return `${code} ${value.length > 10_000 ? `${value.length} characters` : value}`;
  } catch {
    return hex(content);
  }
}

function textOf(body: Uint8Array): string[] {
  return body.length === 0 ? [] : [new TextDecoder().decode(body)];
}

function detailsOf(bin: string): string[] {
  const error = findTrailerError(new Headers({ "grpc-status": "2", "grpc-status-details-bin": bin }))!;
  const details = error.details.map((detail) => "type" in detail ? `${detail.type} ${hex(detail.value)}` : "");
  return [`${Code[error.code]} ${error.rawMessage}`, ...details];
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
