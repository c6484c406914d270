// grpc-js's server, with messages by protobuf-es as all others.
import { create } from "@bufbuild/protobuf";
import {
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
} from "@grpc/grpc-js";
import { type SimpleRequest, type SimpleResponse, SimpleResponseSchema } from "../../../gen/simple_pb.ts";
import { method } from "../../../test/support/grpc-js-method.ts";
import { STREAM_MESSAGES } from "../../kind.ts";
import { listening } from "../listening.ts";

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
