// A server of the demo service on grpc-js: `grpc-js.ts [--port <port>] [--tls] [--mtls]`. Prints its port.
import { Buffer } from "node:buffer";
import process from "node:process";
import { parseArgs } from "node:util";
import { create } from "@bufbuild/protobuf";
import {
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
} from "@grpc/grpc-js";
import { type SimpleRequest, type SimpleResponse, SimpleResponseSchema } from "../../../gen/simple_pb.ts";
import { method } from "../../support/grpc-js-method.ts";
import { ca, server as identity } from "../../support/tls.ts";
import { COUNTED, ECHO, FAIL, FAILURE, messagesOf, SILENT, summaryOf } from "./answers.ts";

const { values: options } = parseArgs({
  options: { port: { type: "string", default: "0" }, tls: { type: "boolean" }, mtls: { type: "boolean" } },
});

const answer = (value: string) => create(SimpleResponseSchema, { code: 200, value });
const took = (data: string) => void (data.startsWith(COUNTED) && console.log(`took ${data}`));

/** Sends the echo header back at once; gives the trailers. */
function echo(call: { metadata: Metadata; sendMetadata(metadata: Metadata): void }): Metadata {
  const trailers = new Metadata();
  const sent = call.metadata.get(ECHO)[0];
  if (sent !== undefined) {
    const headers = new Metadata();
    headers.set(ECHO, sent);
    call.sendMetadata(headers);
    trailers.set(`${ECHO}-trailer`, sent);
  }
  return trailers;
}

const route: handleUnaryCall<SimpleRequest, SimpleResponse> = (call, callback) => {
  const { data } = call.request;
  took(data);
  if (data === FAIL) return callback({ code: FAILURE.code, details: FAILURE.message, metadata: echo(call) });
  if (data === SILENT) {
    console.log("waits");
    return void call.on("cancelled", () => console.log("aborted"));
  }
  callback(null, answer(data), echo(call));
};
const routeServerStream: handleServerStreamingCall<SimpleRequest, SimpleResponse> = (call) => {
  const trailers = echo(call);
  const texts = messagesOf(call.request.data);
  const send = () => {
    while (texts.length > 0) if (!call.write(answer(texts.pop()!))) return void call.once("drain", send);
    call.end(trailers);
  };
  send();
};
const routeClientStream: handleClientStreamingCall<SimpleRequest, SimpleResponse> = (call, callback) => {
  const trailers = echo(call);
  const texts: string[] = [];
  call.on("data", ({ data }: SimpleRequest) => {
    if (texts.length === 0) took(data);
    texts.push(data);
  });
  call.on("error", () => {});
  call.on("end", () => callback(null, answer(summaryOf(texts)), trailers));
};
const routeBidiStream: handleBidiStreamingCall<SimpleRequest, SimpleResponse> = (call) => {
  const trailers = echo(call);
  call.on("data", ({ data }: SimpleRequest) => call.write(answer(data)));
  call.on("error", () => {});
  call.on("end", () => call.end(trailers));
};

const server = new Server({ "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 });
server.addService(
  {
    route: method("route"),
    routeServerStream: method("routeServerStream"),
    routeClientStream: method("routeClientStream"),
    routeBidiStream: method("routeBidiStream"),
  },
  { route, routeServerStream, routeClientStream, routeBidiStream },
);
const pair = [{ private_key: Buffer.from(identity.key), cert_chain: Buffer.from(identity.cert) }];
const credentials = options.tls || options.mtls
  ? ServerCredentials.createSsl(Buffer.from(ca), pair, options.mtls ?? false)
  : ServerCredentials.createInsecure();
server.bindAsync(`127.0.0.1:${options.port}`, credentials, (error, port) => {
  if (error) throw error;
  console.log(`port ${port}`);
});
process.once("SIGTERM", () => server.tryShutdown(() => process.exit(0)));
