import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Channel, credentials } from "@grpc/grpc-js";
import { type CallOptions, createClient, Metadata, type MethodDefinition } from "nice-grpc";
import {
  Simple,
  type SimpleRequest,
  SimpleRequestSchema,
  type SimpleResponse,
  SimpleResponseSchema,
} from "../../gen/simple_pb.ts";
import { type CallSettings, type Contender, expect, perKind } from "../contender.ts";
import { type Addresses, BIDI_TURNS, STREAM_MESSAGES, textLength } from "../kind.ts";

type RequestInit = MessageInitShape<typeof SimpleRequestSchema>;
type ResponseInit = MessageInitShape<typeof SimpleResponseSchema>;

function method<Q extends boolean, S extends boolean>(
  name: keyof typeof Simple.method,
  requestStream: Q,
  responseStream: S,
): MethodDefinition<RequestInit, SimpleRequest, ResponseInit, SimpleResponse, Q, S> {
  return {
    path: `/${Simple.typeName}/${Simple.method[name].name}`,
    requestStream,
    responseStream,
    requestSerialize: (value) => toBinary(SimpleRequestSchema, create(SimpleRequestSchema, value)),
    requestDeserialize: (bytes) => fromBinary(SimpleRequestSchema, bytes),
    responseSerialize: (value) => toBinary(SimpleResponseSchema, create(SimpleResponseSchema, value)),
    responseDeserialize: (bytes) => fromBinary(SimpleResponseSchema, bytes),
    options: {},
  };
}

const definition = {
  route: method("route", false, false),
  serverStream: method("routeServerStream", false, true),
  bidi: method("routeBidiStream", true, true),
};

/** nice-grpc over grpc-js with `round_robin` over the three endpoints. */
export function open(addresses: Addresses): Contender {
  const channels: Channel[] = [];
  const clientOf = perKind(addresses, (endpoints) => {
    const channel = new Channel(`ipv4:${endpoints.join(",")}`, credentials.createInsecure(), {
      "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
    });
    channels.push(channel);
    return createClient(definition, channel);
  });
  return {
    async unary(kind, settings) {
      const { value } = await clientOf(kind).route({ data: "x".repeat(textLength(kind)) }, optionsOf(settings));
      expect("characters", value.length, textLength(kind));
    },
    async serverStream(kind) {
      let count = 0, characters = 0;
      for await (const { value } of clientOf(kind).serverStream({ data: "x".repeat(textLength(kind)) })) {
        count++;
        characters += value.length;
      }
      expect("messages", count, STREAM_MESSAGES);
      expect("characters", characters, STREAM_MESSAGES * textLength(kind));
    },
    async bidi(kind) {
      let answered = () => {}, count = 0;
      const data = "x".repeat(textLength(kind));
      async function* requests() {
        for (let i = 0; i < BIDI_TURNS; i++) {
          const answer = new Promise<void>((resolve) => answered = resolve);
          yield { data };
          await answer;
        }
      }
      for await (const { value } of clientOf(kind).bidi(requests())) {
        expect("characters", value.length, textLength(kind));
        count++;
        answered();
      }
      expect("messages", count, BIDI_TURNS);
    },
    async close() {
      for (const channel of channels) channel.close();
    },
  };
}

/** nice-grpc knows no deadline, only signals: this is how its users set one. */
function optionsOf({ timeoutMs, headers }: CallSettings): CallOptions {
  return {
    ...(timeoutMs !== undefined && { signal: AbortSignal.timeout(timeoutMs) }),
    ...(headers !== undefined && { metadata: Metadata(headers) }),
  };
}
