import type { DescMethod } from "@bufbuild/protobuf";
import type { Code, ContextValues, Interceptor } from "@connectrpc/connect";
import type { Peer } from "../../http2/server/peer.ts";

/**
 * Observes the calls of a server, of every protocol: for spans, metrics and logs. Errors it throws are printed and
 * otherwise ignored.
 *
 * To write one: return an object with `ended` from `callStarted`, which may hold the call's state.
 */
export interface ServerObserver {
  /** Runs around the calls' handlers, outside of all other interceptors. */
  readonly interceptor?: Interceptor | undefined;
  /**
   * A call has arrived; nothing was done for it yet. The methods of the returned object are called for this call, on
   * that object; without one, no more is heard of the call.
   */
  callStarted(start: ServerCallStart): ServerCallWatch | void;
}

/** Watches one call of a server. */
export interface ServerCallWatch {
  /** A message of the response is about to be sent. Reported in gRPC only, as those of other protocols have no sizes. */
  messageSent?(message: ServerCallMessage): void;
  /** A message of the request was received; for a stream, when the handler reads it. Reported in gRPC only. */
  messageReceived?(message: ServerCallMessage): void;
  /** The response is complete, or will never be. The handler may still run, if its call was given up. */
  ended(end: ServerCallEnd): void;
}

/** A message of a server's call. */
export interface ServerCallMessage {
  /** Its length as it is sent: compressed, if it is, and without framing. */
  readonly bytes: number;
  /** Its length uncompressed. The same as `bytes` if it is not compressed. */
  readonly uncompressedBytes: number;
}

/** A call of a server at its beginning. */
export interface ServerCallStart {
  /** What is called. Undefined if the server has no such method: the call will fail with Unimplemented. */
  readonly method: DescMethod | undefined;
  readonly protocol: "grpc" | "grpc-web" | "connect";
  /** The request's headers, created when read. */
  readonly header: Headers;
  /** The client. */
  readonly peer: Peer;
  /** The call's context values as its interceptors and its handler get them, created when read. */
  readonly contextValues: ContextValues;
}

/** A call of a server after its end. */
export interface ServerCallEnd {
  /** The code of the error that its client gets; undefined for success. Canceled if the client gave up. */
  readonly code: Code | undefined;
  /** What its handler, or the server, threw; undefined for success. Clients get only a ConnectError's text. */
  readonly error: unknown;
  /** From its arrival to its end, in milliseconds. */
  readonly latencyMs: number;
  /** The bytes of all response messages, compressed and without framing. Undefined except in gRPC. */
  readonly sentBytes: number | undefined;
  /** The same of all request messages. */
  readonly receivedBytes: number | undefined;
}
