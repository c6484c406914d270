// Generated requests to a gRPC server: each ends, with messages or with a status, and no handler's mistake is reported.
import { Code, type ServiceImpl } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { Dispatcher } from "../../src/grpc/server/dispatcher.ts";
import { Services } from "../../src/grpc/server/services.ts";
import { ServerConnection } from "../../src/http2/server/connection.ts";
import { HpackDecoder } from "../../src/http2/wire/hpack-decoder.ts";
import { deadlinesOf } from "../../src/time/deadline.ts";
import { END_HEADERS_STREAM, frame } from "../http2/memory.ts";
import { MemoryClient, PREFACE } from "../http2/server/memory.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { concat, Flag, FrameType, Setting } from "../support/raw-http2/frame.ts";
import type { Field } from "../support/raw-http2/header-block.ts";
import { envelope, metadata, timeout, TYPES } from "./grpc-parts.ts";
import { checkLost } from "./lost.ts";
import { generator, mutate, oneOf, type Random } from "./random.ts";

const PATHS = ["Route", "RouteServerStream", "RouteClientStream", "RouteBidiStream"];

const METHODS: ServiceImpl<typeof Simple> = {
  route: ({ data }) => ({ code: data.length, value: data }),
  async *routeServerStream({ data }) {
    for (let i = 0; i < data.length % 5; i++) yield { code: i, value: data };
  },
  async routeClientStream(requests) {
    let code = 0;
    for await (const { data } of requests) code += data.length;
    return { code };
  },
  async *routeBidiStream(requests) {
    for await (const { data } of requests) yield { value: data };
  },
};

function head(random: Random): Field[] {
  const path = random(12) === 0
    ? oneOf(random, ["/", "*", "/proto.Simple/", "/a?b"])
    : `/proto.Simple/${oneOf(random, PATHS)}`;
  const fields: Field[] = [
    [":method", random(20) === 0 ? "GET" : "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", "test"],
  ];
  if (random(20) > 0) fields.push(["content-type", random(6) === 0 ? oneOf(random, TYPES) : "application/grpc"]);
  if (random(2) === 0) fields.push(["grpc-encoding", oneOf(random, ["gzip", "gzip", "deflate", "identity", "x", ""])]);
  if (random(3) === 0) {
    fields.push(["grpc-accept-encoding", oneOf(random, ["gzip", "gzip,deflate", "x", "", "identity"])]);
  }
  if (random(3) === 0) fields.push(["grpc-timeout", timeout(random)]);
  return [...fields, ...metadata(random)];
}

/** The frames of one request, each with its stream's id. */
function request(random: Random, id: number): Uint8Array[] {
  if (random(12) === 0) return [frame.headers(id, head(random), END_HEADERS_STREAM)];
  const frames = [frame.headers(id, head(random))];
  const messages = random(4) === 0 ? random(6) : 1;
  let body = concat(...Array.from({ length: messages }, () => envelope(random)));
  if (random(20) === 0) body = mutate(random, body);
  if (random(20) === 0) body = body.subarray(0, random(body.length + 1));
  for (let at = 0; at < body.length;) {
    const to = random(3) > 0 ? body.length : at + 1 + random(60);
    frames.push(frame.data(id, body.subarray(at, to), to >= body.length && random(3) > 0 ? Flag.endStream : 0));
    at = to;
  }
  if (random(20) === 0) frames.push(frame.reset(id, random(16)));
  else if (random(3) === 0) frames.push(frame.headers(id, metadata(random), END_HEADERS_STREAM));
  else frames.push(frame.data(id, new Uint8Array(0), Flag.endStream));
  if (random(30) === 0) frames.splice(random(frames.length), 1);
  return frames;
}

/** Requests on one connection; each must have been answered, or reset, or ended with the connection. */
export async function serverGrpcCase(seed: number): Promise<void> {
  const random = generator(seed);
  const clock = new ManualClock();
  const mistakes: unknown[] = [];
  const services = new Services({
    routes: (router) => router.service(Simple, METHODS),
    readMaxBytes: random(2) === 0 ? 150 : 1 << 20,
    onError: (error) => void mistakes.push(error),
  });
  const { accept } = new Dispatcher(services, clock);
  const client = new MemoryClient();
  client.fromServer = true;
  const closed: (Error | undefined)[] = [];
  const connection = new ServerConnection(client, { closed: (cause) => void closed.push(cause) }, {
    accept,
    clock,
    scheduleFlush: client.scheduleFlush,
  });
  client.send(PREFACE, frame.settings([Setting.initialWindowSize, random(3) === 0 ? random(100) : 1 << 20]));
  const count = 1 + random(4);
  const requests = Array.from({ length: count }, (_, i) => request(random, 1 + 2 * i));
  let opened = 0;
  while (requests.some((frames) => frames.length > 0)) {
    // Ids rise: a request begins when those before it have.
    const at = random(Math.min(count, opened + 1));
    if (at === opened) opened++;
    const next = requests[at]!.shift();
    if (next === undefined) continue;
    const cut = random(next.length + 1);
    client.events.data(next.subarray(0, cut));
    client.events.data(next.subarray(cut));
    if (random(4) === 0) await Promise.resolve();
    if (random(12) === 0) await clock.advance(random(2_000));
  }
  if (random(3) > 0) { for (let i = 0; i < count; i++) client.events.data(frame.windowUpdate(1 + 2 * i, 1 << 20)); }
  // Decompression takes turns of the runtime's own; then nothing is missing but a client's windows, or its frames.
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
  checkAnswers(seed, client);
  const end = new Error("the end of the case");
  client.events.closed(end);
  connection.writer.flush();
  if (connection.inUse) throw new Error(`case ${seed}: streams are left`);
  const { pending } = deadlinesOf(clock);
  if (pending > 0) throw new Error(`case ${seed}: ${pending} deadlines are left`);
  if (closed.length !== 1) throw new Error(`case ${seed}: closed was told ${closed.length} times`);
  checkLost(seed, closed, end);
  // Handlers are given up with their client, which is no mistake of theirs, and they make none themselves.
  if (mistakes.length > 0) throw new Error(`case ${seed}: an error was reported`, { cause: mistakes[0] });
}

/** Every status is one of gRPC's, and nothing follows the end of a stream. */
function checkAnswers(seed: number, client: MemoryClient): void {
  const hpack = new HpackDecoder(4_096, 1 << 20);
  const ended = new Set<number>();
  for (const { type, flags, streamId, payload } of client.all()) {
    if (type !== FrameType.headers && type !== FrameType.data) continue;
    if (ended.has(streamId)) throw new Error(`case ${seed}: a frame follows the end of stream ${streamId}`);
    if ((flags & Flag.endStream) !== 0) ended.add(streamId);
    if (type === FrameType.data) continue;
    const block = hpack.decode(payload, 0, payload.length);
    if (block.malformed !== undefined) throw new Error(`case ${seed}: a malformed section: ${block.malformed}`);
    const status = block.get("grpc-status");
    if (status !== undefined && status !== "0" && Code[Number(status)] === undefined) {
      throw new Error(`case ${seed}: status ${status}`);
    }
    if (status === "13" && block.get("grpc-message") === "internal error") {
      throw new Error(`case ${seed}: an internal error`);
    }
  }
}
