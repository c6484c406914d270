// How a call ended: statuses, broken responses and failed streams as Connect errors.

import { Code, ConnectError } from "@connectrpc/connect";
import { codeFromHttpStatus, findTrailerError, validateTrailer } from "@connectrpc/connect/protocol-grpc";
import { markAttempt } from "../../connection/mark.ts";
import { note } from "../../connection/note.ts";
import { ForeignSocketError } from "../../http2/foreign-socket.ts";
import * as ErrorCode from "../../http2/wire/error-code.ts";
import { NoRoomError } from "../../http2/client/stream-error.ts";
import type { StreamError } from "../../http2/client/stream-error.ts";
import type { HeaderBlock } from "../../http2/wire/header-block.ts";
import { shownText } from "../../shown-text.ts";
import { EARLY_MS } from "../../time/deadline.ts";
import { headersOf } from "../lazy-headers.ts";

/** What gRPC reads from a header section; determined once for equal sections. */
export interface SectionInfo {
  /** Whether it carries a status, and whether that is simply OK. */
  readonly status: "none" | "ok" | "other";
  /** Whether it begins a gRPC response: status 200 and a content type of gRPC. */
  readonly response: boolean;
  /** `grpc-encoding`, unless it is identity. */
  readonly encoding: string | undefined;
  /** What a relay sends for it, once one has read it. */
  relayed?: unknown;
}

/**
 * A gRPC content type: `application/grpc`, with any message format after a "+" and any parameters after a ";", in upper
 * or lower case (gRPC's PROTOCOL-HTTP2, "Responses"; RFC 9110 section 8.3.1), as grpc-go and grpc-java accept it. A
 * message in a format other than the call's fails to parse.
 */
const CONTENT_TYPE = /^application\/grpc(?:$|[+; \t])/i;

/** Reads a header section. */
export function sectionInfo(block: HeaderBlock): SectionInfo {
  return (block.memo ??= readSection(block)) as SectionInfo;
}

function readSection(block: HeaderBlock): SectionInfo {
  const status = block.get("grpc-status");
  const details = block.get("grpc-status-details-bin");
  const encoding = block.get("grpc-encoding");
  return {
    status: details !== undefined ? "other" : status === undefined ? "none" : status === "0" ? "ok" : "other",
    response: block.status === 200 && CONTENT_TYPE.test(block.get("content-type") ?? ""),
    encoding: encoding === undefined || encoding.toLowerCase() === "identity" ? undefined : encoding,
  };
}

/** Why a response's header section does not begin a gRPC response; for use when `response` is false. */
export function notGrpc(head: HeaderBlock): ConnectError {
  if (head.status !== 200) {
    const hint = head.status === 404 ? ": the server doesn't have this service or method" : "";
    return answered(new ConnectError(`HTTP ${head.status}${hint}`, codeFromHttpStatus(head.status), headersOf(head)));
  }
  const type = headersOf(head).get("content-type");
  return answered(new ConnectError(`unsupported content type ${shownText(String(type), 100)}`, Code.Unknown));
}

/** The error that a header section carries as a gRPC status (trailers-only responses), if any. */
export function headError(head: HeaderBlock): ConnectError | undefined {
  if (sectionInfo(head).status === "none") return undefined;
  const headers = headersOf(head);
  return caught(headers, () => findTrailerError(headers));
}

/** The error that a response's trailers carry, or that they lack a status; undefined if all is well. */
export function trailerError(head: HeaderBlock, trailers: HeaderBlock | undefined): ConnectError | undefined {
  if (trailers !== undefined && sectionInfo(trailers).status === "ok") return undefined;
  const trailer = headersOf(trailers);
  return caught(trailer, () => {
    validateTrailer(trailer, headersOf(head));
    return undefined;
  });
}

function caught(section: Headers, read: () => ConnectError | undefined): ConnectError | undefined {
  try {
    const error = read();
    return error === undefined ? undefined : answered(error);
  } catch (error) {
    if (error instanceof ConnectError) return answered(error);
    // A grpc-message with invalid percent-encoding is used as it is (gRPC's PROTOCOL-HTTP2, "Responses").
    const code = Number.parseInt(section.get("grpc-status") ?? "", 10);
    return answered(new ConnectError(section.get("grpc-message") ?? "", code in Code ? code : Code.Unknown, section));
  }
}

/** Marks the error of a call that the server replied to. */
export function answered(error: ConnectError): ConnectError {
  return markAttempt(error, "answered");
}

/**
 * The error of a response that can't be read. Connect's codecs and compressions report bytes that they can't read as an
 * invalid argument, which is right for a request; in a response they are the server's fault.
 */
export function unreadable(error: unknown): ConnectError {
  const failure = ConnectError.from(error, Code.Internal);
  if (failure.code !== Code.InvalidArgument) return answered(failure);
  return answered(new ConnectError(failure.rawMessage, Code.Internal, undefined, undefined, failure.cause));
}

/** The error of a response that ends inside a message: its status, if that is an error, says more. */
export function incomplete(head: HeaderBlock, trailers: HeaderBlock | undefined): ConnectError {
  const said = trailers === undefined ? undefined : headError(trailers);
  if (said !== undefined) return trailerError(head, trailers) ?? said;
  return brokenReply("protocol error: incomplete envelope", Code.Internal);
}

/** The error of a response that breaks gRPC's rules. */
export function brokenReply(message: string, code: Code, metadata?: Headers): ConnectError {
  return answered(new ConnectError(message, code, metadata));
}

/** RST_STREAM codes as gRPC statuses (gRPC's PROTOCOL-HTTP2, "Errors"). */
const BY_RESET: Record<number, Code> = {
  [ErrorCode.NO_ERROR]: Code.Internal,
  [ErrorCode.PROTOCOL_ERROR]: Code.Internal,
  [ErrorCode.INTERNAL_ERROR]: Code.Internal,
  [ErrorCode.FLOW_CONTROL_ERROR]: Code.Internal,
  [ErrorCode.SETTINGS_TIMEOUT]: Code.Internal,
  [ErrorCode.FRAME_SIZE_ERROR]: Code.Internal,
  [ErrorCode.REFUSED_STREAM]: Code.Unavailable,
  [ErrorCode.CANCEL]: Code.Canceled,
  [ErrorCode.COMPRESSION_ERROR]: Code.Internal,
  [ErrorCode.CONNECT_ERROR]: Code.Internal,
  [ErrorCode.ENHANCE_YOUR_CALM]: Code.ResourceExhausted,
  [ErrorCode.INADEQUATE_SECURITY]: Code.PermissionDenied,
  [ErrorCode.HTTP_1_1_REQUIRED]: Code.PermissionDenied,
};

/**
 * Whether a stream failed because of its call's deadline, of which this many milliseconds are left. A server that
 * enforces the deadline too resets the stream with CANCEL when it passes (grpc-go, grpc-java, C-core), and may be the
 * first to notice. grpc-go's client checks its clock in the same way.
 */
export function isDeadlines(error: StreamError, leftMs: number): boolean {
  if (error.by === "reset" && error.code === ErrorCode.CANCEL) return leftMs <= EARLY_MS;
  return error.by !== "stream" && leftMs <= 0;
}

/** The error of a call whose deadline has passed, caused by its stream's if that ended before the timer fired. */
export function timedOut(cause?: StreamError): ConnectError {
  const error = new ConnectError("the operation timed out", Code.DeadlineExceeded, undefined, undefined, cause);
  return cause === undefined || cause.processed === "maybe" ? error : markAttempt(error, cause.processed);
}

/**
 * The error of a call whose stream failed. A lost connection is `unavailable`, whatever broke it. What this side found
 * wrong with the request or the response has no mark: another server would not accept the same request either. A
 * request that seems to have broken its connection would break the next one too, even if the server says that it did
 * not process it. A socket of another request is the program's fault: no retry may hide it.
 */
export function streamFailure(error: StreamError): ConnectError {
  if (error.cause instanceof ForeignSocketError) {
    const text = `the request failed: ${error.cause.message}`;
    return note(new ConnectError(text, Code.FailedPrecondition, undefined, undefined, error), "final");
  }
  const code = error.by === "connection" ? Code.Unavailable : BY_RESET[error.code] ?? Code.Unknown;
  const failure = new ConnectError(error.message, code, undefined, undefined, error);
  if (error instanceof NoRoomError) note(failure, "full");
  else if (error.blame === "perhaps") note(failure, "suspect");
  else if (error.blame === "cause" || (error.by === "stream" && error.processed === "not-sent")) note(failure, "final");
  return error.processed === "maybe" || error.by === "stream" ? failure : markAttempt(failure, error.processed);
}
