import type { Transport } from "@connectrpc/connect";
import type { Http2Connection } from "../../http2/client/connection.ts";
import { GrpcTransport, type GrpcTransportOptions } from "./grpc-transport.ts";
import { interceptedTransport } from "./intercepted.ts";

/** Creates a transport over the connection that a function returns for each call. */
export type CreateTransport = (connection: () => Http2Connection, options: GrpcTransportOptions) => Transport;

/**
 * gRPC over one of this library's HTTP/2 connections as a Connect Transport (gRPC's PROTOCOL-HTTP2).
 *
 * A call that is itself at fault (a message that can't be encoded or is too large, a header field that HTTP/2 forbids)
 * fails without a mark, since no other connection would change that.
 *
 * @param connection returns the connection for a call. What it throws becomes the call's error, with its mark.
 */
export const createGrpcTransport: CreateTransport = (connection, options) => {
  const transport = plainTransport(connection, options);
  return options.interceptors?.length ? interceptedTransport(transport, connection, options) : transport;
};

/** The same without the code for interceptors, which it ignores. */
export const plainTransport: CreateTransport = (connection, options) => new GrpcTransport(connection, options);
