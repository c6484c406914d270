import { fromJsonString, toJsonString } from "@bufbuild/protobuf";
import type { JsonReadOptions, JsonWriteOptions } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { MessageFormat } from "./message-format.ts";

/**
 * JSON (`application/grpc+json`). It is in a file of its own because protobuf-es's part for it is large: bundles of
 * programs that can't choose it do without.
 */
export function jsonFormat(given: Partial<JsonReadOptions & JsonWriteOptions> = {}): MessageFormat {
  const options = { ignoreUnknownFields: true, ...given };
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  return {
    name: "json",
    encoder: (schema) => (message) => {
      try {
        return encoder.encode(toJsonString(schema, message, options));
      } catch (error) {
        throw ConnectError.from(error, Code.Internal);
      }
    },
    decoder: (schema) => (bytes) => {
      try {
        return fromJsonString(schema, decoder.decode(bytes), options);
      } catch (error) {
        throw ConnectError.from(error, Code.Internal);
      }
    },
  };
}
