import type { RpcProtocol } from "../../connection/link.ts";

/** OpenTelemetry's names of RPC systems. */
export type System = "grpc" | "connectrpc";

/** The system of a protocol. gRPC-Web is gRPC, and so is what is not known. */
export function systemOf(protocol: RpcProtocol | undefined): System {
  return protocol === "connect" ? "connectrpc" : "grpc";
}
