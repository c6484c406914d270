// A client under test for Connect's conformance suite: reads requests from standard input, makes each call through a
// balanced transport over `grpcConnector` or `fetchConnector`, and writes what came of it to standard output. Both are messages of
// connectrpc.conformance.v1, each behind its length in four bytes.
//
// Usage: client.ts DESCRIPTORS (a file descriptor set of the suite's protos)
import { create, createFileRegistry, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, DescService } from "@bufbuild/protobuf";
import { type Any, anyUnpack, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { type CallOptions, ConnectError, createClient } from "@connectrpc/connect";
import { compressionBrotli } from "@connectrpc/connect-node";
import { readFileSync, writeSync } from "node:fs";
import process from "node:process";
import { fetchConnector, jsonFormat } from "../../src/fetch.ts";
import { type Connector, createBalancedTransport, staticResolver } from "../../src/index.ts";
import { grpcConnector } from "../../src/node.ts";
import { deflate, gzip } from "../../src/grpc/compression.ts";

interface Header {
  readonly name: string;
  readonly value: readonly string[];
}

/** The fields of `ClientCompatRequest` that a client reads. */
interface Request extends Message {
  readonly testName: string;
  readonly protocol: number;
  readonly codec: number;
  readonly compression: number;
  readonly host: string;
  readonly port: number;
  readonly serverTlsCert: Uint8Array;
  readonly clientTlsCreds?: { readonly cert: Uint8Array; readonly key: Uint8Array };
  readonly messageReceiveLimit: number;
  readonly service?: string;
  readonly method?: string;
  readonly requestHeaders: readonly Header[];
  readonly requestMessages: readonly Any[];
  readonly timeoutMs?: number;
  readonly requestDelayMs: number;
  readonly streamType: number;
  readonly useGetHttpMethod: boolean;
  readonly cancel?: {
    readonly cancelTiming: {
      readonly case: "beforeCloseSend" | "afterCloseSendMs" | "afterNumResponses" | undefined;
      readonly value?: number | object;
    };
  };
}

/** What a call came to, in the terms of `ClientResponseResult`. */
interface Result {
  responseHeaders: Header[];
  responseTrailers: Header[];
  payloads: unknown[];
  error?: { code: number; message: string; details: { typeUrl: string; value: Uint8Array }[] };
}

const PROTOCOLS = new Map<number, "connect" | "grpc-web">([[1, "connect"], [3, "grpc-web"]]);
const CODEC_JSON = 2;
const COMPRESSIONS = new Map([[2, gzip], [3, compressionBrotli], [5, deflate]]);
const FULL_DUPLEX = 5;

const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(process.argv[2]!)));
const message = (name: string): DescMessage => registry.getMessage(`connectrpc.conformance.v1.${name}`)!;
const [requestDesc, responseDesc] = [message("ClientCompatRequest"), message("ClientCompatResponse")];

function connectorFor(request: Request): Connector {
  const { serverTlsCert, clientTlsCreds } = request;
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const compression = COMPRESSIONS.get(request.compression);
  const isBinary = request.codec !== CODEC_JSON;
  const common = {
    acceptCompression: compression === undefined ? [] : [compression],
    ...compression && { sendCompression: compression, compressMinBytes: 0 },
    ...request.messageReceiveLimit > 0 && { readMaxBytes: request.messageReceiveLimit },
  };
  const protocol = PROTOCOLS.get(request.protocol);
  if (protocol !== undefined) {
    const useHttpGet = request.useGetHttpMethod;
    const format = isBinary ? undefined : jsonFormat({ registry });
    return fetchConnector({ ...common, protocol, format, ...useHttpGet && { useHttpGet } });
  }
  const overGrpc = { ...common, useBinaryFormat: isBinary, jsonOptions: { registry } };
  if (serverTlsCert.length === 0) return grpcConnector(overGrpc);
  const identity = clientTlsCreds && { cert: text(clientTlsCreds.cert), key: text(clientTlsCreds.key) };
  return grpcConnector({ ...overGrpc, tls: { ca: text(serverTlsCert), ...identity } });
}

type Call = (input: unknown, options: CallOptions) => unknown;

async function make(request: Request): Promise<Result> {
  const { cancel, requestDelayMs } = request;
  const name = request.service ?? "connectrpc.conformance.v1.ConformanceService";
  const service = registry.getService(name) as DescService;
  const transport = createBalancedTransport({
    resolver: staticResolver([`${request.host}:${request.port}`]),
    connector: connectorFor(request),
  });
  const client = createClient(service, transport) as unknown as Record<string, Call>;
  const method = service.methods.find((each) => each.name === request.method)!;
  const messages = request.requestMessages.map((any) => anyUnpack(any, registry)!);

  const abort = new AbortController();
  const result: Result = { responseHeaders: [], responseTrailers: [], payloads: [] };
  let [header, trailer]: (Headers | undefined)[] = [];
  const headers = new Headers();
  for (const { name, value } of request.requestHeaders) for (const each of value) headers.append(name, each);
  const options: CallOptions = {
    headers,
    signal: abort.signal,
    ...request.timeoutMs !== undefined && { timeoutMs: request.timeoutMs },
    onHeader: (headers) => header = headers,
    onTrailer: (headers) => trailer = headers,
  };
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  const timing = cancel?.cancelTiming;
  const sent = () => {
    if (cancel === undefined || timing?.case === "afterNumResponses") return;
    if (timing?.case === "beforeCloseSend") return abort.abort();
    setTimeout(() => abort.abort(), timing?.case === "afterCloseSendMs" ? Number(timing.value) : 0);
  };
  const received = (response: unknown) => {
    // A message without a payload is a message, too.
    result.payloads.push((response as { payload?: unknown }).payload ?? {});
    if (timing?.case === "afterNumResponses" && result.payloads.length === timing.value) abort.abort();
  };
  /** In full duplex each request but the first waits for a response. */
  let mayGoOn = Promise.withResolvers<void>();
  async function* requests(fullDuplex: boolean) {
    for (const [i, each] of messages.entries()) {
      await pause(requestDelayMs);
      if (fullDuplex && i > 0) {
        await mayGoOn.promise;
        mayGoOn = Promise.withResolvers();
      }
      yield each;
    }
    if (fullDuplex && messages.length > 0) await mayGoOn.promise;
    sent();
  }
  const call = client[method.localName]!;
  try {
    switch (method.methodKind) {
      case "unary": {
        await pause(requestDelayMs);
        const response = call(messages[0], options);
        sent();
        received(await response);
        break;
      }
      case "server_streaming": {
        await pause(requestDelayMs);
        const responses = call(messages[0], options) as AsyncIterable<unknown>;
        sent();
        for await (const response of responses) received(response);
        break;
      }
      case "client_streaming":
        received(await call(requests(false), options));
        break;
      case "bidi_streaming": {
        const fullDuplex = request.streamType === FULL_DUPLEX;
        for await (const response of call(requests(fullDuplex), options) as AsyncIterable<unknown>) {
          received(response);
          mayGoOn.resolve();
        }
      }
    }
  } catch (thrown) {
    const { code, rawMessage, details, metadata } = ConnectError.from(thrown);
    const incoming = details.filter((detail) => "value" in detail && detail.value instanceof Uint8Array) as {
      type: string;
      value: Uint8Array;
    }[];
    result.error = {
      code,
      message: rawMessage,
      details: incoming.map(({ type, value }) => ({ typeUrl: `type.googleapis.com/${type}`, value })),
    };
    // An error's metadata joins both; where one came by itself, it is that.
    header ??= metadata;
    trailer ??= metadata;
  } finally {
    mayGoOn.resolve();
    void transport.close();
  }
  result.responseHeaders = headersOf(header);
  result.responseTrailers = headersOf(trailer);
  return result;
}

function headersOf(headers: Headers | undefined): Header[] {
  return [...headers ?? []].map(([name, value]) => ({ name, value: value.split(",").map((each) => each.trim()) }));
}

async function answer(bytes: Uint8Array): Promise<void> {
  const request = fromBinary(requestDesc, bytes) as unknown as Request;
  const { testName } = request;
  let result;
  try {
    result = { case: "response", value: await make(request) };
  } catch (error) {
    result = { case: "error", value: { message: String((error as Error).stack) } };
  }
  const encoded = toBinary(responseDesc, create(responseDesc, { testName, result } as never));
  const framed = new Uint8Array(4 + encoded.length);
  new DataView(framed.buffer).setUint32(0, encoded.length);
  framed.set(encoded, 4);
  for (let at = 0; at < framed.length;) at += writeAll(framed.subarray(at));
}

/** A pipe that is full says EAGAIN. */
function writeAll(bytes: Uint8Array): number {
  try {
    return writeSync(1, bytes);
  } catch (error) {
    if ((error as { code?: string }).code === "EAGAIN") return 0;
    throw error;
  }
}

/** The suite sends all requests at once; more calls at a time would spend their deadlines waiting for this process. */
const MOST_AT_A_TIME = 8;

const waiting: Uint8Array[] = [];
let running = 0;

function start(): void {
  while (running < MOST_AT_A_TIME && waiting.length > 0) {
    running++;
    void answer(waiting.shift()!).finally(() => {
      running--;
      start();
    });
  }
}

let chunks: Uint8Array = new Uint8Array(0);
for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
  chunks = chunks.length === 0 ? chunk : Buffer.concat([chunks, chunk]);
  while (chunks.length >= 4) {
    const end = 4 + new DataView(chunks.buffer, chunks.byteOffset).getUint32(0);
    if (chunks.length < end) break;
    waiting.push(chunks.slice(4, end));
    chunks = chunks.subarray(end);
  }
  start();
}
