// Where this library's server does otherwise than connect-node's, and why it does not follow.
import type { Outcome } from "./outcome.ts";

/** A difference that stays. */
export interface Difference {
  readonly reason: string;
  /** What must come of the request here. */
  readonly outcome: Partial<Outcome>;
  /** connect-node's server does something else on each run, or nothing at all: it is not asked. */
  readonly unsteady?: boolean;
}

const OK: Partial<Outcome> = { http: "200", code: "Ok" };
const failed = (code: string, message?: string): Partial<Outcome> => ({
  http: "200",
  code,
  ...(message !== undefined && { message }),
});
const reset = (code: string): Partial<Outcome> => ({ reset: code, goaway: undefined, lost: false });

const UNKNOWN_METHOD = "gRPC answers a call of an unknown method with the status UNIMPLEMENTED, not with HTTP's 404";
const ENCODINGS =
  "it knows deflate but not br, and names its encodings in grpc-accept-encoding as gRPC's compression " +
  "page demands";
const COMPRESSED_ERROR = "an error without messages names no encoding of messages";
const COMPRESSES_WHEN_ASKED = "answers are compressed when requests were, as in grpc-go, not whenever they may be";
const PASSED_DEADLINE = "a call ends when its deadline has passed; there, only when its handler ends it";
const ONE_CODE_OF_RESETS = "in gRPC a client's reset cancels a call, whatever its code";
const FORBIDDEN_FIELD = "RFC 9113 section 8.2.1 makes such a request malformed; node:http2 drops the field";
const STREAM_ERROR = "RFC 9113 makes it an error of the stream, and other calls on the connection go on";
const ONLY_POST = "the answer says what is wrong";

const unknownMethod = (path: string): Difference => ({
  reason: UNKNOWN_METHOD,
  outcome: failed("Unimplemented", `unknown method ${path}`),
});
const notPost: Difference = {
  reason: ONLY_POST,
  outcome: {
    http: "405",
    messages: ["gRPC calls are POST requests\n"],
    headers: ["allow: POST", "content-length: 29"],
  },
};
const cannotInflate: Difference = {
  reason: COMPRESSED_ERROR,
  outcome: failed("InvalidArgument", "decompression failed"),
};
const unknownEncoding = (encoding: string): Difference => ({
  reason: ENCODINGS,
  outcome: {
    ...failed("Unimplemented", `unknown compression "${encoding}": supported encodings are gzip,deflate`),
    headers: ["grpc-accept-encoding: gzip,deflate"],
  },
});
const uncompressed: Difference = { reason: COMPRESSES_WHEN_ASKED, outcome: { ...OK, headers: [] } };
const toldCanceled: Difference = { reason: ONE_CODE_OF_RESETS, outcome: { ...OK, messages: ["200 Canceled"] } };
const malformed: Difference = { reason: FORBIDDEN_FIELD, outcome: reset("protocolError") };

/** By the requests' names. */
export const DIFFERENCES: Readonly<Record<string, Difference>> = {
  "a handler that sets gRPC's own fields": {
    reason: "a handler can't change how its call ended by naming grpc-status or grpc-message itself",
    outcome: OK,
  },
  "a code that there is not": { reason: "clients know no such code", outcome: failed("Unknown", "code 99") },
  "the code 0 of an error": {
    reason: "a call that failed did not go well, whatever the error's code says",
    outcome: failed("Unknown", "code 0"),
  },
  "undefined that is thrown": {
    reason: "what a handler throws is a failure, even if it is undefined",
    outcome: failed("Internal", "internal error"),
  },
  "a content type with a parameter": { reason: "RFC 9110 section 8.3.1 allows parameters", outcome: OK },
  "a method that there is not": unknownMethod("/proto.Simple/Rout"),
  "a service that there is not": unknownMethod("/proto.Simpler/Route"),
  "a service without a method": unknownMethod("/proto.Simple/"),
  "the path /": unknownMethod("/"),
  "the path *": unknownMethod("*"),
  "a path with a prefix": unknownMethod("/prefix/proto.Simple/Route"),
  "a path in another case": unknownMethod("/proto.simple/route"),
  "a path that is escaped": unknownMethod("/proto.Simple/R%6Fute"),
  "a path with two slashes": unknownMethod("//proto.Simple/Route"),
  "a path that JavaScript's objects know": unknownMethod("/constructor/toString"),
  "the method GET": notPost,
  "the method PUT": notPost,
  "the method OPTIONS": notPost,
  "the method DELETE": notPost,
  "the method post": notPost,
  "the method HEAD": { reason: ONLY_POST, outcome: { http: "405", headers: ["allow: POST", "content-length: 29"] } },
  deflate: { reason: ENCODINGS, outcome: { ...OK, headers: ["grpc-encoding: deflate"] } },
  "an encoding that nobody knows": unknownEncoding("snappy"),
  "an encoding that nobody knows, without the flag": unknownEncoding("snappy"),
  "two encodings in one field": unknownEncoding("gzip,deflate"),
  "an encoding in upper case": unknownEncoding("GZIP"),
  "an empty encoding": {
    reason: "an empty field names no encoding",
    outcome: failed("Internal", "received compressed envelope, but do not know how to decompress"),
  },
  "gzip that is broken": cannotInflate,
  "gzip that is cut": cannotInflate,
  "gzip that is invalid": cannotInflate,
  "gzip with bytes behind it": cannotInflate,
  "deflate without its header": cannotInflate,
  "two members of gzip": {
    reason: "up to the runtime's DecompressionStream, of which some take one member; no client sends more",
    outcome: { http: "200" },
    unsteady: true,
  },
  "a message that is too large only when it is decompressed": {
    reason: COMPRESSED_ERROR,
    outcome: failed("ResourceExhausted"),
  },
  "a client that accepts gzip": uncompressed,
  "a client that accepts what nobody knows, and gzip": uncompressed,
  "a client that accepts gzip in a second field": uncompressed,
  "an answer below the size from which messages are compressed": uncompressed,
  "a prefix without a message": {
    reason: "what is missing is the rest of an envelope, not the message",
    outcome: failed("InvalidArgument", "protocol error: incomplete envelope"),
  },
  "bytes behind the message": {
    reason: "a unary call has one message, and what comes behind it is not looked at",
    outcome: failed("Unimplemented", "protocol error: received extra input message for unary method"),
  },
  "a length of 4 GiB": {
    reason: "messages have 4 MiB at most unless an option says otherwise, as in gRPC's other servers",
    outcome: failed("ResourceExhausted", "message size 4294967295 is larger than configured readMaxBytes 4194304"),
  },
  "a length above the default limit": {
    reason: "messages have 4 MiB at most unless an option says otherwise, as in gRPC's other servers",
    outcome: failed("ResourceExhausted", "message size 2147483647 is larger than configured readMaxBytes 4194304"),
  },
  "a deadline that passes": { reason: PASSED_DEADLINE, outcome: failed("DeadlineExceeded", "the operation timed out") },
  "a deadline that passes after messages": {
    reason: PASSED_DEADLINE,
    outcome: { ...failed("DeadlineExceeded", "the operation timed out"), messages: ["200 first", "200 first"] },
  },
  "a deadline that passes while messages are awaited": {
    reason: PASSED_DEADLINE,
    outcome: failed("DeadlineExceeded", "the operation timed out"),
    unsteady: true,
  },
  "a timeout of nothing": { reason: PASSED_DEADLINE, outcome: failed("DeadlineExceeded", "the operation timed out") },
  "a handler learns of a reset with NO_ERROR": toldCanceled,
  "a handler learns of a reset with INTERNAL_ERROR": toldCanceled,
  "a handler learns of a reset with REFUSED_STREAM": toldCanceled,
  "a handler learns of a reset with ENHANCE_YOUR_CALM": toldCanceled,
  "GOAWAY(NO_ERROR) of the client's": {
    reason: "a client's GOAWAY is about streams that a server opens, and its own calls go on (RFC 9113 section 6.8)",
    outcome: OK,
  },
  "DATA after END_STREAM": { reason: STREAM_ERROR, outcome: reset("streamClosed") },
  "HEADERS after END_STREAM": { reason: STREAM_ERROR, outcome: reset("streamClosed") },
  "WINDOW_UPDATE of 0 for a stream": { reason: STREAM_ERROR, outcome: reset("protocolError") },
  "a stream's window above 2^31-1": { reason: STREAM_ERROR, outcome: reset("flowControlError") },
  "a content-length that is too small": { reason: STREAM_ERROR, outcome: reset("protocolError") },
  "a stream id below one that was used": {
    reason: "RFC 9113 section 5.1.1 makes it an error of the connection; nghttp2 ignores the frame",
    outcome: { goaway: "protocolError" },
    unsteady: true,
  },
  "no :authority": { reason: "RFC 9113 section 8.3.1 demands no authority", outcome: OK },
  "a name that is empty": malformed,
  "a name with a space": malformed,
  "a value with a line break": malformed,
  "a value with a zero byte": malformed,
  "a preface that is wrong in its second half": {
    reason: "nghttp2 calls an invalid preface an internal error; RFC 9113 section 3.4 says PROTOCOL_ERROR",
    outcome: { goaway: "protocolError" },
  },
  "a request, and the end of the client's side": {
    reason: "a client that has ended its side is still answered; node:http2 ends its side at once",
    outcome: OK,
    unsteady: true,
  },
};
