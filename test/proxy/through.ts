// A proxy before servers, and clients that nobody here wrote: grpc-js, with messages as bytes.
import { Buffer } from "node:buffer";
import type { TestContext } from "node:test";
import * as grpc from "@grpc/grpc-js";
import { grpcConnector } from "../../src/node/grpc-connector.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { createProxy, type CreateProxyOptions, type Proxy } from "../../src/server.ts";
import type { BalancedTransportOptions } from "../../src/transport/options.ts";

const bytes = (value: Buffer) => value;

type RawMethod = grpc.MethodDefinition<Buffer, Buffer>;

function rawMethod(
  path: string,
  { requestStream = false, responseStream = false }: Partial<RawMethod> = {},
): RawMethod {
  return {
    path,
    requestStream,
    responseStream,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  };
}

type Name = "unary" | "down" | "up" | "both";

/** The methods of the servers, one of each kind. */
export const METHODS: Readonly<Record<Name, RawMethod>> = {
  unary: rawMethod("/any.Thing/Unary"),
  down: rawMethod("/any.Thing/Down", { responseStream: true }),
  up: rawMethod("/any.Thing/Up", { requestStream: true }),
  both: rawMethod("/any.Thing/Both", { requestStream: true, responseStream: true }),
};

/** A server of grpc-js's on a free port; returns its address. */
export async function serveJs(t: TestContext, handlers: grpc.UntypedServiceImplementation): Promise<string> {
  const server = new grpc.Server({ "grpc.max_receive_message_length": -1 });
  const service = Object.fromEntries(Object.keys(handlers).map((name) => [name, METHODS[name as Name]]));
  server.addService(service as grpc.ServiceDefinition, handlers);
  const port = await new Promise<number>((resolve, reject) => {
    const listening = (error: Error | null, port: number) => error === null ? resolve(port) : reject(error);
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), listening);
  });
  t.after(() => server.forceShutdown());
  return `127.0.0.1:${port}`;
}

/** Where calls go, for a route. */
export function to(
  addresses: readonly string[],
  options: Partial<BalancedTransportOptions> = {},
): BalancedTransportOptions {
  return { resolver: staticResolver(addresses), connector: grpcConnector(), ...options };
}

/** A proxy on a free port of the loopback. */
export async function proxyFor(
  t: TestContext,
  options: CreateProxyOptions,
): Promise<{ readonly proxy: Proxy; readonly address: string; readonly port: number }> {
  const proxy = createProxy(options);
  // Its clients leave later.
  t.after(() => {
    void proxy.close();
    proxy.closeAllConnections();
  });
  return { proxy, ...await proxy.listen({ host: "127.0.0.1", port: 0 }) };
}

/** A client of grpc-js's. */
export function clientJs(t: TestContext, address: string, options: grpc.ClientOptions = {}): grpc.Client {
  const client = new grpc.Client(address, grpc.credentials.createInsecure(), {
    "grpc.max_receive_message_length": -1,
    "grpc.enable_retries": 0,
    ...options,
  });
  t.after(() => client.close());
  return client;
}

/** What came of a call. */
export interface Answer {
  readonly messages: readonly string[];
  readonly header: grpc.Metadata | undefined;
  readonly status: grpc.StatusObject;
}

/** What a call sends besides its messages. */
export interface CallSettings {
  readonly metadata?: grpc.Metadata;
  readonly options?: grpc.CallOptions;
}

/** Makes a unary call. */
export function unary(client: grpc.Client, message: string | Buffer, settings: CallSettings = {}): Promise<Answer> {
  const { path, requestSerialize, responseDeserialize } = METHODS.unary;
  const { metadata = new grpc.Metadata(), options = {} } = settings;
  return new Promise((resolve) => {
    const messages: string[] = [];
    let header: grpc.Metadata | undefined;
    const call = client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      Buffer.from(message),
      metadata,
      options,
      (_error, value) => void (value !== undefined && messages.push(value.toString())),
    );
    call.on("metadata", (received) => header = received);
    call.on("status", (status) => resolve({ messages, header, status }));
  });
}

/** Reads a response stream to its end. */
export function read(call: grpc.ClientReadableStream<Buffer>): Promise<Answer> {
  return new Promise((resolve) => {
    const messages: string[] = [];
    let header: grpc.Metadata | undefined;
    call.on("metadata", (received) => header = received);
    call.on("data", (message: Buffer) => messages.push(message.toString()));
    call.on("error", () => {});
    call.on("status", (status) => resolve({ messages, header, status }));
  });
}
