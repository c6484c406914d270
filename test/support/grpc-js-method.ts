import { Buffer } from "node:buffer";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import type { ServiceDefinition } from "@grpc/grpc-js";
import {
  Simple,
  type SimpleRequest,
  SimpleRequestSchema,
  type SimpleResponse,
  SimpleResponseSchema,
} from "../../gen/simple_pb.ts";

/** A method of the demo service as grpc-js's servers want it, with messages by protobuf-es. */
export function method(name: keyof typeof Simple.method): ServiceDefinition[string] {
  const { methodKind, name: spelled } = Simple.method[name];
  return {
    path: `/${Simple.typeName}/${spelled}`,
    requestStream: methodKind === "client_streaming" || methodKind === "bidi_streaming",
    responseStream: methodKind === "server_streaming" || methodKind === "bidi_streaming",
    requestSerialize: (value: SimpleRequest) => Buffer.from(toBinary(SimpleRequestSchema, value)),
    requestDeserialize: (bytes: Buffer) => fromBinary(SimpleRequestSchema, bytes),
    responseSerialize: (value: SimpleResponse) => Buffer.from(toBinary(SimpleResponseSchema, value)),
    responseDeserialize: (bytes: Buffer) => fromBinary(SimpleResponseSchema, bytes),
  };
}
