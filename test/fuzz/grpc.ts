// Generated replies to gRPC calls: each call ends, with messages or with a ConnectError, whatever the server says.
import { Code, ConnectError } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import type { EndReportingTransport } from "../../src/connection/end-reporting.ts";
import { deflate, gzip } from "../../src/grpc/compression.ts";
import { createGrpcTransport } from "../../src/grpc/client/transport.ts";
import { jsonFormat } from "../../src/grpc/json-format.ts";
import { deadlinesOf } from "../../src/time/deadline.ts";
import { END_HEADERS_STREAM, frame, pair } from "../http2/memory.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { concat, Flag } from "../support/raw-http2/frame.ts";
import type { Field } from "../support/raw-http2/header-block.ts";
import { envelope, metadata, TYPES } from "./grpc-parts.ts";
import { checkLost } from "./lost.ts";
import { generator, mutate, oneOf, type Random } from "./random.ts";

const STATUS = ["0", "0", "0", "1", "5", "13", "14", "16", "17", "00", "-1", "", "OK", "1e1", "99999999999999999999"];
const MESSAGE = ["plain", "caf%C3%A9", "%", "%zz", "%C3%28", "%E4", "a%0Ab", "v".repeat(300), "\u00ff"];
// google.rpc.Status: of code 5 with a message; of code 0; a type that nobody knows; base64 of nothing sensible; none.
const DETAILS = ["CAUSA25vdA", "CAA=", "CAUSA25vdBoJCgN4L3kSAgECGg==", "/////w==", "%%%", "", "CAUSA25v"];

/** The fields that tell how a call ended, right or wrong. */
function status(random: Random): Field[] {
  const fields: Field[] = [];
  if (random(8) > 0) fields.push(["grpc-status", oneOf(random, STATUS)]);
  if (random(3) === 0) fields.push(["grpc-message", oneOf(random, MESSAGE)]);
  if (random(6) === 0) fields.push(["grpc-status-details-bin", oneOf(random, DETAILS)]);
  if (random(10) === 0) fields.push(["grpc-status", oneOf(random, STATUS)]);
  return fields;
}

function head(random: Random): Field[] {
  const fields: Field[] = [[":status", random(12) === 0 ? String(100 + random(500)) : "200"]];
  if (random(20) > 0) fields.push(["content-type", random(6) === 0 ? oneOf(random, TYPES) : "application/grpc"]);
  if (random(2) === 0) fields.push(["grpc-encoding", oneOf(random, ["gzip", "gzip", "deflate", "identity", "x", ""])]);
  if (random(15) === 0) fields.push(...status(random));
  return [...fields, ...metadata(random)];
}

/** The frames of one reply, each with its stream's id. */
function reply(random: Random, id: number): Uint8Array[] {
  const first = head(random);
  if (random(10) === 0) return [frame.headers(id, [...first, ...status(random)], END_HEADERS_STREAM)];
  const frames = [frame.headers(id, first)];
  const messages = random(5) === 0 ? random(6) : 1;
  let body = concat(...Array.from({ length: messages }, () => envelope(random)));
  if (random(20) === 0) body = mutate(random, body);
  if (random(20) === 0) body = body.subarray(0, random(body.length + 1));
  for (let at = 0; at < body.length;) {
    const to = random(3) > 0 ? body.length : at + 1 + random(60);
    const last = to >= body.length && random(20) === 0;
    frames.push(frame.data(id, body.subarray(at, to), last ? Flag.endStream : 0));
    at = to;
  }
  if (random(20) === 0) frames.push(frame.reset(id, random(16)));
  if (random(20) > 0) frames.push(frame.headers(id, [...status(random), ...metadata(random)], END_HEADERS_STREAM));
  if (random(30) === 0) frames.splice(random(frames.length), 1);
  return frames;
}

async function* requests(count: number): AsyncGenerator<{ data: string }> {
  for (let i = 0; i < count; i++) yield { data: String(i) };
}

/** What a call may fail with; everything else is a mistake of this side. */
function checkError(error: unknown): void {
  if (!(error instanceof ConnectError)) throw new Error("it failed with another error", { cause: error });
  if (Code[error.code] === undefined) throw new Error(`it failed with code ${error.code}`, { cause: error });
  const { cause } = error;
  // Inflating, and reading a status's details, have errors of the runtime's and of Protobuf's.
  if (error.rawMessage === "decompression failed" || error.code === Code.DataLoss) return;
  if (cause instanceof TypeError || cause instanceof RangeError || cause instanceof ReferenceError) {
    throw new Error("a mistake of this side failed it", { cause: error });
  }
}

function checkMessage(message: unknown, readMaxBytes: number): void {
  const { code, value } = message as Record<string, unknown>;
  if (typeof code !== "number" || typeof value !== "string") throw new Error("it gave something that is no message");
  if (value.length > readMaxBytes) throw new Error(`a message of ${value.length} characters was read`);
}

/** How long a case may take before it is taken for one that hangs, in milliseconds. */
const HANGS_MS = 10_000;

/** Calls on one connection, answered at random; each must end with the server's last frame, or with the connection. */
export async function grpcCase(seed: number): Promise<void> {
  const random = generator(seed);
  const readMaxBytes = random(2) === 0 ? 150 : 1 << 20;
  const clock = new ManualClock();
  const wire = pair({ clock });
  const { server, connection } = wire;
  const transport = createGrpcTransport(() => connection, {
    authority: "test",
    scheme: "http",
    clock,
    acceptCompression: [gzip, deflate],
    format: random(4) > 0 ? undefined : jsonFormat(),
    readMaxBytes,
  }) as EndReportingTransport;
  const { method } = Simple;
  const controller = new AbortController();
  const reasons = [undefined, new Error("enough"), "enough", new ConnectError("enough", Code.Aborted)];
  /** The callers that give up do so together. */
  const caller = () => random(4) === 0 ? controller.signal : undefined;

  const unary = async () => {
    const timeoutMs = random(2) === 0 ? 1_000 : undefined;
    let told = 0;
    const listener = { answered: () => void told++, failed: (error: unknown) => (told++, Promise.reject(error)) };
    const telling = random(2) === 0;
    try {
      const call = telling
        ? transport.unaryReporting(method.route, caller(), timeoutMs, undefined, {}, undefined, listener)
        : transport.unary(method.route, caller(), timeoutMs, undefined, {});
      const { message, header, trailer } = await call;
      checkMessage(message, readMaxBytes);
      for (const fields of [header, trailer]) void [...fields];
    } catch (error) {
      checkError(error);
    }
    if (telling && told !== 1) throw new Error(`a unary call told its end ${told} times`);
  };

  const stream = async () => {
    const kind = oneOf(random, [method.routeServerStream, method.routeClientStream, method.routeBidiStream]);
    const late = random(2) === 0, most = random(5) === 0 ? random(2) : Infinity;
    try {
      const opened = await transport.stream(kind, caller(), 1_000, undefined, requests(random(3)));
      if (late) await new Promise((resolve) => setTimeout(resolve, 0));
      let read = 0;
      for await (const message of opened.message) {
        checkMessage(message, readMaxBytes);
        if (read++ >= most) break;
      }
      for (const fields of [opened.header, opened.trailer]) void [...fields];
    } catch (error) {
      checkError(error);
    }
  };

  const calls = Array.from({ length: 1 + random(4) }, () => random(2) === 0 ? unary() : stream());
  // Streams are opened in the order of their calls, at the latest when their first message is there.
  for (let i = 0; i < 20; i++) await Promise.resolve();
  const replies = Array.from({ length: calls.length }, (_, i) => reply(random, 1 + 2 * i));
  while (replies.some((frames) => frames.length > 0)) {
    const next = oneOf(random, replies).shift();
    if (next === undefined) continue;
    const at = random(next.length + 1);
    server.events.data(next.subarray(0, at));
    server.events.data(next.subarray(at));
    if (random(4) === 0) await Promise.resolve();
    if (random(12) === 0) controller.abort(oneOf(random, reasons));
  }
  const end = new Error("the end of the case");
  if (random(2) === 0) server.events.closed(end);
  // Whatever came before, these are the last frames.
  else for (const { id } of connection.requests.active) server.events.data(frame.data(id, new Uint8Array(0), 1));

  let timer: ReturnType<typeof setTimeout> | undefined;
  const hangs = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`case ${seed}: a call hangs`)), HANGS_MS);
  });
  try {
    await Promise.race([Promise.all(calls), hangs]);
  } finally {
    clearTimeout(timer);
  }
  if (!connection.requests.none) throw new Error(`case ${seed}: streams are left`);
  const { pending } = deadlinesOf(clock);
  if (pending > 0) throw new Error(`case ${seed}: ${pending} deadlines are left`);
  checkLost(seed, wire.lost, end);
}
