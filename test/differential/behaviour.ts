import { create, toBinary } from "@bufbuild/protobuf";
import type { Code } from "@connectrpc/connect";
import { SimpleResponseSchema } from "../../gen/simple_pb.ts";
import type { AttemptEnd } from "../../src/connection/mark.ts";
import type { RawSession, Response } from "../support/raw-http2/session.ts";

/** The four kinds of calls. */
export type Kind = "unary" | "server" | "client" | "bidi";

/** Something that a server does, well or badly, and what must come of it at a client. */
export interface Behaviour {
  readonly name: string;
  /** Default: unary. */
  readonly kind?: Kind;
  /** What the server does on a connection. */
  play(session: RawSession): void | Promise<void>;
  /** Limits the size of a message. Default: no limit. */
  readonly readMaxBytes?: number;
  /** The call's own time-out. Default: one that only a call which hangs meets. */
  readonly timeoutMs?: number;
  /** The caller aborts when the server has played. */
  readonly abort?: boolean;
  /** Where connect-node does otherwise, and why this library does not follow. */
  readonly differs?: Difference;
}

/** A difference that stays. */
export interface Difference {
  readonly reason: string;
  /** What a call here must come to; undefined: it succeeds. */
  readonly code: Code | undefined;
  /** What the error's text must match. */
  readonly message?: RegExp;
  /** The texts of the messages that must arrive. Default: none for an error, one for success. */
  readonly messages?: readonly string[];
  /** How the error is marked: what may be done about the attempt. Default: not looked at; null: not at all. */
  readonly mark?: AttemptEnd | null;
  /**
   * connect-node is not run: it crashes, hangs, or does something else on each runtime or run. Otherwise it is run on
   * Node, and must indeed come to something else.
   */
  readonly unsteady?: boolean;
}

/** The bytes of a response message. */
export function message(value = "hello"): Uint8Array {
  return toBinary(SimpleResponseSchema, create(SimpleResponseSchema, { code: 200, value }));
}

/** Answers the first request. */
export function answer(response: Response = { messages: [message()] }): (session: RawSession) => Promise<void> {
  return request((session, id) => session.respond(id, response));
}

/** Shakes hands, waits for the first request and its end, and does something on its stream. */
export function request(
  act: (session: RawSession, id: number) => void | Promise<void>,
): (session: RawSession) => Promise<void> {
  return async (session) => {
    await session.handshake();
    await act(session, await session.wholeRequest());
  };
}
