// Calls by grpc-js: `grpc-js.ts <address> [tls|mtls]`. Prints a line for each thing it tries.
import { Buffer } from "node:buffer";
import process from "node:process";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type CallOptions as GrpcOptions, Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import {
  Simple,
  type SimpleRequest,
  SimpleRequestSchema,
  type SimpleResponse,
  SimpleResponseSchema,
} from "../../../gen/simple_pb.ts";
import { ca, client as identity } from "../../support/tls.ts";
import { ECHO } from "../servers/answers.ts";
import { type CallOptions, type PeerClient, tryAll } from "./tries.ts";

const [address, security] = process.argv.slice(2) as [string, string | undefined];
const pair = security === "mtls" ? [Buffer.from(identity.key), Buffer.from(identity.cert)] as const : [null, null];
const secure = security === undefined ? credentials.createInsecure() : credentials.createSsl(Buffer.from(ca), ...pair);

const path = (method: keyof typeof Simple.method) => `/${Simple.typeName}/${Simple.method[method].name}`;
const encode = (message: SimpleRequest) => Buffer.from(toBinary(SimpleRequestSchema, message));
const decode = (bytes: Uint8Array) => fromBinary(SimpleResponseSchema, bytes);
const request = (data: string) => create(SimpleRequestSchema, { data });

function metadataOf({ headers = {} }: CallOptions): Metadata {
  const metadata = new Metadata();
  for (const name in headers) metadata.set(name, headers[name]!);
  return metadata;
}

function optionsOf({ timeoutMs }: CallOptions): GrpcOptions {
  return timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
}

async function* values(call: AsyncIterable<SimpleResponse>): AsyncGenerator<string> {
  for await (const { value } of call) yield value;
}

await tryAll((compress): PeerClient => {
  const client = new Client(address, secure, {
    "grpc.max_receive_message_length": -1,
    ...(compress === "compress" && { "grpc.default_compression_algorithm": 2 }),
  });
  return {
    unary(data, options = {}) {
      return new Promise((resolve, reject) => {
        let header: string | undefined, trailer: string | undefined;
        const call = client.makeUnaryRequest<SimpleRequest, SimpleResponse>(
          path("route"),
          encode,
          decode,
          request(data),
          metadataOf(options),
          optionsOf(options),
          (error, response) => error ? reject(error) : queueMicrotask(() => resolve(response!.value)),
        );
        call.on("metadata", (metadata) => header = metadata.get(ECHO)[0]?.toString());
        call.on("status", ({ metadata }) => {
          trailer = metadata.get(`${ECHO}-trailer`)[0]?.toString();
          options.onMetadata?.(header, trailer);
        });
      });
    },
    serverStream(data, options = {}) {
      const call = client.makeServerStreamRequest(
        path("routeServerStream"),
        encode,
        decode,
        request(data),
        metadataOf(options),
      );
      options.signal?.addEventListener("abort", () => call.cancel());
      return values(call);
    },
    clientStream(texts) {
      return new Promise((resolve, reject) => {
        const call = client.makeClientStreamRequest<SimpleRequest, SimpleResponse>(
          path("routeClientStream"),
          encode,
          decode,
          (error, response) => error ? reject(error) : resolve(response!.value),
        );
        void (async () => {
          for await (const text of texts) {
            if (!call.write(request(text))) await new Promise((go) => call.once("drain", go));
          }
          call.end();
        })();
      });
    },
    bidi(texts) {
      const call = client.makeBidiStreamRequest<SimpleRequest, SimpleResponse>(path("routeBidiStream"), encode, decode);
      void (async () => {
        for await (const text of texts) call.write(request(text));
        call.end();
      })();
      return values(call);
    },
    status: (error) => ({ code: (error as ServiceError).code, message: (error as ServiceError).details }),
    close: () => client.close(),
  };
});
process.exit(0);
