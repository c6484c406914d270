import {
  endStreamFlag,
  endStreamFromJson,
  requestHeader,
  validateResponse,
} from "@connectrpc/connect/protocol-connect";
import type { Protocol } from "./protocol.ts";

/** The Connect protocol's streams; unary calls are in `connect-unary.ts`. */
export const connectProtocol: Protocol = {
  requestHeader: ({ methodKind }, isBinary, timeoutMs, header) => {
    return requestHeader(methodKind, isBinary, timeoutMs, header, false);
  },
  encoding: "connect-content-encoding",
  acceptEncoding: "connect-accept-encoding",
  endFlag: endStreamFlag,
  head({ methodKind }, isBinary, status, header) {
    validateResponse(methodKind, isBinary, status, header);
    return {};
  },
  end(bytes, header) {
    const { metadata, error } = endStreamFromJson(bytes);
    if (error === undefined) return metadata;
    header.forEach((value, name) => error.metadata.append(name, value));
    throw error;
  },
};
