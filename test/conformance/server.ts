// A server under test for Connect's conformance suite: reads one `ServerCompatRequest` from standard input, serves
// connectrpc.conformance.v1.ConformanceService with `createGrpcServer`, and writes its address to standard output.
//
// Usage: server.ts DESCRIPTORS (a file descriptor set of the suite's protos)
import { create, createFileRegistry, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { type Any, anyPack, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { type Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { readFileSync, writeSync } from "node:fs";
import process from "node:process";
import { createGrpcServer } from "../../src/server.ts";

interface Header {
  readonly name: string;
  readonly value: readonly string[];
}

interface Definition {
  readonly responseHeaders: readonly Header[];
  readonly responseTrailers: readonly Header[];
  readonly responseDelayMs: number;
  /** Of unary and client streaming calls. */
  readonly response: { readonly case?: "responseData" | "error"; readonly value?: unknown };
  /** Of the others. */
  readonly responseData: readonly Uint8Array[];
  readonly error?: Failure;
}

interface Failure {
  readonly code: Code;
  readonly message?: string;
  readonly details: readonly Any[];
}

type Request = Message & { readonly responseDefinition?: Definition; readonly fullDuplex?: boolean };

/** The fields of `ServerCompatRequest`. */
interface Settings extends Message {
  readonly useTls: boolean;
  readonly clientTlsCert: Uint8Array;
  readonly serverCreds?: { readonly cert: Uint8Array; readonly key: Uint8Array };
  readonly messageReceiveLimit: number;
}

const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(process.argv[2]!)));
const message = (name: string) => registry.getMessage(`connectrpc.conformance.v1.${name}`)!;
const service = registry.getService("connectrpc.conformance.v1.ConformanceService")!;
const requestInfo = message("ConformancePayload.RequestInfo");

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function packed(requests: readonly Message[]): Any[] {
  return requests.map((request) => anyPack(registry.getMessage(request.$typeName)!, request));
}

function about(context: HandlerContext, requests: readonly Message[]) {
  const timeoutMs = context.timeoutMs();
  const query = context.requestMethod === "GET" ? [...new URL(context.url).searchParams] : [];
  return {
    requestHeaders: headersOf(context.requestHeader),
    ...timeoutMs !== undefined && { timeoutMs: BigInt(Math.ceil(timeoutMs)) },
    requests: packed(requests),
    ...query.length > 0 &&
      { connectGetInfo: { queryParams: query.map(([name, value]) => ({ name, value: [value] })) } },
  };
}

function headersOf(headers: Headers): Header[] {
  return [...headers].map(([name, value]) => ({ name, value: value.split(",").map((each) => each.trim()) }));
}

function setHeaders(context: HandlerContext, definition: Definition | undefined): void {
  for (const { name, value } of definition?.responseHeaders ?? []) {
    for (const each of value) context.responseHeader.append(name, each);
  }
  for (const { name, value } of definition?.responseTrailers ?? []) {
    for (const each of value) context.responseTrailer.append(name, each);
  }
}

/** The error that a client asks for, with details of its request if there was no response to tell them. */
function failure({ code, message, details }: Failure, info: Record<string, unknown> | undefined): ConnectError {
  const error = new ConnectError(message ?? "", code);
  const all = info === undefined ? details : [...details, anyPack(requestInfo, create(requestInfo, info))];
  error.details = all.map(({ typeUrl, value }) => ({ type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1), value }));
  return error;
}

async function single(definition: Definition | undefined, requests: readonly Request[], context: HandlerContext) {
  setHeaders(context, definition);
  await pause(definition?.responseDelayMs ?? 0);
  const info = about(context, requests);
  const { case: kind, value } = definition?.response ?? {};
  if (kind === "error") throw failure(value as Failure, info);
  return { payload: { ...value !== undefined && { data: value as Uint8Array }, requestInfo: info } };
}

/** Responses from number `from` on. */
async function* rest(definition: Definition, from: number, requests: readonly Request[], context: HandlerContext) {
  for (let i = from; i < definition.responseData.length; i++) {
    await pause(definition.responseDelayMs);
    yield { payload: { data: definition.responseData[i]!, ...i === 0 && { requestInfo: about(context, requests) } } };
  }
  const none = definition.responseData.length === 0 && from === 0;
  if (definition.error !== undefined) throw failure(definition.error, none ? about(context, requests) : undefined);
}

const implementation = {
  unary: (request: Request, context: HandlerContext) => single(request.responseDefinition, [request], context),
  idempotentUnary: (request: Request, context: HandlerContext) =>
    single(request.responseDefinition, [request], context),
  async clientStream(requests: AsyncIterable<Request>, context: HandlerContext) {
    const all: Request[] = [];
    for await (const request of requests) all.push(request);
    return await single(all[0]?.responseDefinition, all, context);
  },
  async *serverStream(request: Request, context: HandlerContext) {
    setHeaders(context, request.responseDefinition);
    if (request.responseDefinition !== undefined) yield* rest(request.responseDefinition, 0, [request], context);
  },
  async *bidiStream(requests: AsyncIterable<Request>, context: HandlerContext) {
    let definition: Definition | undefined, fullDuplex = false, sent = 0, unanswered: Request[] = [];
    for await (const request of requests) {
      if (definition === undefined && sent === 0 && unanswered.length === 0) {
        definition = request.responseDefinition;
        fullDuplex = request.fullDuplex!;
        setHeaders(context, definition);
      }
      unanswered.push(request);
      if (!fullDuplex) continue;
      if (sent >= (definition?.responseData.length ?? 0)) break;
      await pause(definition!.responseDelayMs);
      const info = sent === 0 ? about(context, unanswered) : { requests: packed(unanswered) };
      yield { payload: { data: definition!.responseData[sent++]!, requestInfo: info } };
      unanswered = [];
    }
    if (definition !== undefined) yield* rest(definition, sent, unanswered, context);
  },
};

async function serve(settings: Settings): Promise<void> {
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const { clientTlsCert, messageReceiveLimit, serverCreds, useTls } = settings;
  const mutual = clientTlsCert.length > 0 && { ca: text(clientTlsCert) };
  const server = createGrpcServer({
    routes: (router) => router.service(service, implementation as unknown as Partial<ServiceImpl<typeof service>>),
    jsonOptions: { registry },
    ...messageReceiveLimit > 0 && { readMaxBytes: messageReceiveLimit },
    ...useTls && { tls: { cert: text(serverCreds!.cert), key: text(serverCreds!.key), ...mutual } },
  });
  const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
  const response = message("ServerCompatResponse");
  const pemCert = useTls ? serverCreds!.cert : new Uint8Array(0);
  const bytes = toBinary(response, create(response, { host: "127.0.0.1", port, pemCert } as never));
  const framed = new Uint8Array(4 + bytes.length);
  new DataView(framed.buffer).setUint32(0, bytes.length);
  framed.set(bytes, 4);
  writeSync(1, framed);
}

let chunks: Uint8Array = new Uint8Array(0);
for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
  chunks = Buffer.concat([chunks, chunk]);
  if (chunks.length < 4) continue;
  const end = 4 + new DataView(chunks.buffer, chunks.byteOffset).getUint32(0);
  if (chunks.length < end) continue;
  await serve(fromBinary(message("ServerCompatRequest"), chunks.slice(4, end)) as unknown as Settings);
  break;
}
