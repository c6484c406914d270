import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";

/** What a response's head says of a stream of messages. */
export interface Head {
  /** The status that it carries, if that is an error: then there need be no messages. */
  readonly error?: ConnectError | undefined;
  /** It carries a status, so nothing follows. */
  readonly over?: boolean;
}

/**
 * What differs between the two protocols, whose streams are alike: messages behind a prefix of five bytes, the last of
 * which carries the trailers.
 */
export interface Protocol {
  /** The header fields of a call. */
  requestHeader(
    method: DescMethod,
    isBinary: boolean,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
  ): Headers;
  /** The header field that says what messages are compressed with. */
  readonly encoding: string;
  /** The one that says what the client can decompress. */
  readonly acceptEncoding: string;
  /** The flag of the last message. */
  readonly endFlag: number;
  /** Reads the head of a stream. @throws ConnectError if it is not a valid one. */
  head(method: DescMethod, isBinary: boolean, status: number, header: Headers): Head;
  /** Reads the last message: the trailers. @throws ConnectError that it carries. */
  end(bytes: Uint8Array, header: Headers): Headers;
}

/** The error of a response that breaks the protocol. */
export function broken(what: string, code: Code = Code.Internal): ConnectError {
  return new ConnectError(`protocol error: ${what}`, code);
}
