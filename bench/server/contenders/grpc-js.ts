// grpc-js's server, with messages by protobuf-es as all others.
import { Buffer } from "node:buffer";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServiceDefinition,
} from "@grpc/grpc-js";
import {
  Simple,
  type SimpleRequest,
  SimpleRequestSchema,
  type SimpleResponse,
  SimpleResponseSchema,
} from "../../../gen/simple_pb.ts";
import { STREAM_MESSAGES } from "../../kind.ts";
import { listening } from "../listening.ts";

function method(name: keyof typeof Simple.method): ServiceDefinition[string] {
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

const answer = (value: string) => create(SimpleResponseSchema, { code: 200, value });

const route: handleUnaryCall<SimpleRequest, SimpleResponse> = (call, callback) => {
  callback(null, answer(call.request.data));
};
const routeServerStream: handleServerStreamingCall<SimpleRequest, SimpleResponse> = (call) => {
  let sent = 0;
  const send = () => {
    while (sent < STREAM_MESSAGES) {
      sent++;
      if (!call.write(answer(call.request.data))) return void call.once("drain", send);
    }
    call.end();
  };
  send();
};
const routeBidiStream: handleBidiStreamingCall<SimpleRequest, SimpleResponse> = (call) => {
  call.on("data", ({ data }: SimpleRequest) => call.write(answer(data)));
  call.on("error", () => {});
  call.on("end", () => call.end());
};

const server = new Server();
server.addService(
  {
    route: method("route"),
    routeServerStream: method("routeServerStream"),
    routeBidiStream: method("routeBidiStream"),
  },
  { route, routeServerStream, routeBidiStream },
);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  listening(`127.0.0.1:${port}`);
});
