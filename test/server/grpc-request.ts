import { CLIENT_PREFACE, concat, encodeFrame, Flag, FrameType } from "../support/raw-http2/frame.ts";
import { headerBlock } from "../support/raw-http2/header-block.ts";

/** A client's whole connection: preface, SETTINGS and one gRPC request with an empty message, complete or not. */
export function grpcRequest(path: string, { end = true }: { end?: boolean } = {}): Uint8Array {
  const head = headerBlock([
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", "test"],
    ["content-type", "application/grpc+proto"],
    ["te", "trailers"],
  ]);
  return concat(
    new TextEncoder().encode(CLIENT_PREFACE),
    encodeFrame(FrameType.settings, 0, 0, new Uint8Array(0)),
    encodeFrame(FrameType.headers, Flag.endHeaders, 1, head),
    encodeFrame(FrameType.data, end ? Flag.endStream : 0, 1, new Uint8Array(5)),
  );
}
