import { Code, ConnectError } from "@connectrpc/connect";
import {
  parseContentType,
  requestHeader,
  trailerFlag,
  trailerParse,
  validateResponse,
  validateTrailer,
} from "@connectrpc/connect/protocol-grpc-web";
import { timeoutField } from "../grpc/timeout.ts";
import type { Protocol } from "./protocol.ts";

/** gRPC-Web, whose unary calls are streams of one message. */
export const grpcWebProtocol: Protocol = {
  requestHeader(_, isBinary, timeoutMs, init) {
    const header = requestHeader(isBinary, undefined, init, false);
    // Connect would write more than the eight digits that gRPC allows.
    if (timeoutMs !== undefined) header.set("grpc-timeout", timeoutField(timeoutMs));
    return header;
  },
  encoding: "grpc-encoding",
  acceptEncoding: "grpc-accept-encoding",
  endFlag: trailerFlag,
  head(_, isBinary, status, header) {
    const { foundStatus, headerError } = validateResponse(status, header);
    if (!foundStatus) checkContentType(header, isBinary);
    return { error: headerError, over: foundStatus };
  },
  end(bytes, header) {
    const trailer = trailerParse(bytes);
    validateTrailer(trailer, header);
    return trailer;
  },
};

function checkContentType(header: Headers, isBinary: boolean): void {
  const type = header.get("content-type"), parsed = parseContentType(type);
  if (parsed?.text === false && parsed.binary === isBinary) return;
  throw new ConnectError(
    `unsupported content type ${type}`,
    parsed === undefined ? Code.Unknown : Code.Internal,
    header,
  );
}
