import { Buffer } from "node:buffer";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, type Deadline, Metadata } from "@grpc/grpc-js";
import {
  Simple,
  type SimpleRequest,
  SimpleRequestSchema,
  type SimpleResponse,
  SimpleResponseSchema,
} from "../../gen/simple_pb.ts";
import { type CallSettings, type Contender, expect, perKind } from "../contender.ts";
import { type Addresses, BIDI_TURNS, type Kind, STREAM_MESSAGES, textLength } from "../kind.ts";

const path = (method: keyof typeof Simple.method) => `/${Simple.typeName}/${Simple.method[method].name}`;
const PATHS = {
  route: path("route"),
  serverStream: path("routeServerStream"),
  bidi: path("routeBidiStream"),
};
const encode = (message: SimpleRequest) => Buffer.from(toBinary(SimpleRequestSchema, message));
const decode = (bytes: Uint8Array) => fromBinary(SimpleResponseSchema, bytes);
const message = (kind: Kind) => create(SimpleRequestSchema, { data: "x".repeat(textLength(kind)) });

/** grpc-js with `round_robin` over the three endpoints. */
export function open(addresses: Addresses): Contender {
  const clients: Client[] = [];
  const clientOf = perKind(addresses, (endpoints) => {
    const client = new Client(`ipv4:${endpoints.join(",")}`, credentials.createInsecure(), {
      "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
    });
    clients.push(client);
    return client;
  });
  return {
    unary(kind, settings) {
      return new Promise((resolve, reject) => {
        clientOf(kind).makeUnaryRequest<SimpleRequest, SimpleResponse>(
          PATHS.route,
          encode,
          decode,
          message(kind),
          metadataOf(settings),
          settings.timeoutMs === undefined ? {} : { deadline: deadlineOf(settings.timeoutMs) },
          (error, response) => {
            if (error) return reject(error);
            expect("characters", response!.value.length, textLength(kind));
            resolve();
          },
        );
      });
    },
    serverStream(kind) {
      return new Promise((resolve, reject) => {
        let count = 0, characters = 0;
        const call = clientOf(kind).makeServerStreamRequest(PATHS.serverStream, encode, decode, message(kind));
        call.on("data", (response: SimpleResponse) => {
          count++;
          characters += response.value.length;
        });
        call.on("error", reject);
        call.on("end", () => {
          if (count !== STREAM_MESSAGES || characters !== count * textLength(kind)) reject(new Error("messages lost"));
          else resolve();
        });
      });
    },
    bidi(kind) {
      return new Promise((resolve, reject) => {
        let count = 0;
        const request = message(kind);
        const call = clientOf(kind).makeBidiStreamRequest<SimpleRequest, SimpleResponse>(PATHS.bidi, encode, decode);
        call.on("data", (response: SimpleResponse) => {
          if (response.value.length !== textLength(kind)) reject(new Error("wrong answer"));
          if (++count === BIDI_TURNS) call.end();
          else call.write(request);
        });
        call.on("error", reject);
        call.on("end", () => count === BIDI_TURNS ? resolve() : reject(new Error("messages lost")));
        call.write(request);
      });
    },
    async close() {
      for (const client of clients) client.close();
    },
  };
}

function metadataOf({ headers }: CallSettings): Metadata {
  const metadata = new Metadata();
  if (headers !== undefined) { for (const name in headers) metadata.set(name, headers[name]!); }
  return metadata;
}

function deadlineOf(timeoutMs: number): Deadline {
  return Date.now() + timeoutMs;
}
