import { CLIENT_PREFACE, concat, encodeFrame, Flag, FrameType } from "../support/raw-http2/frame.ts";
import { headerBlock } from "../support/raw-http2/header-block.ts";

interface RequestOptions {
  /** Whether the request is complete. */
  readonly end?: boolean;
  readonly type?: string;
  readonly body?: string;
}

/** A client's whole connection: preface, SETTINGS and one request, of gRPC and with an empty message by default. */
export function grpcRequest(
  path: string,
  { end = true, type = "application/grpc+proto", body = "\0".repeat(5) }: RequestOptions = {},
): Uint8Array {
  const head = headerBlock([
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", "test"],
    ["content-type", type],
    ["te", "trailers"],
  ]);
  return concat(
    new TextEncoder().encode(CLIENT_PREFACE),
    encodeFrame(FrameType.settings, 0, 0, new Uint8Array(0)),
    encodeFrame(FrameType.headers, Flag.endHeaders, 1, head),
    encodeFrame(FrameType.data, end ? Flag.endStream : 0, 1, new TextEncoder().encode(body)),
  );
}
