// Generated traffic against the HTTP/2 client and server: every outcome must be a value or a typed error, never a crash, a hang or
// growth. Each case is made from a seed alone, so a failing one can be run again.
import { Http2Error } from "../../src/http2/wire/error.ts";
import { HpackDecoder } from "../../src/http2/wire/hpack-decoder.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { hpackTableBytes } from "../support/raw-http2/hpack-table.ts";
import { OK, pair, type TestStream } from "../http2/memory.ts";
import { grpcCase } from "./grpc.ts";
import { anyFrame, block, type UsualHead } from "./frames.ts";
import { checkLost } from "./lost.ts";
import { generator, noise } from "./random.ts";
import { serverGrpcCase } from "./server-grpc.ts";
import { serverConnectionCase } from "./server.ts";

/** A server's. */
const RESPONSE: UsualHead = {
  fields: OK,
  index: 8,
  names: [":status", "content-type", "grpc-status", "x-a", "content-length", "X-Bad", "connection", ""],
};

/** A connection that is sent random frames in random pieces while requests come and go. */
export function connectionCase(seed: number): void {
  const random = generator(seed);
  const limits = { maxHeaderListBytes: 1_024 + random(2_000), streamWindowBytes: 1 + random(2_000) };
  const { server, connection, request, lost } = pair({ limits, clock: new ManualClock() }, random(20) > 0);
  const streams: TestStream[] = [];
  for (let step = 0; step < 40 && connection.state !== "lost"; step++) {
    const doing = random(10);
    if (doing < 2) {
      streams.push(request({ reads: random(2) === 0, end: random(2) === 0, body: noise(random, random(300)) }));
    } else if (doing === 2 && streams.length > 0) {
      const stream = streams[random(streams.length)]!;
      if (random(3) === 0) stream.cancel();
      else if (random(2) === 0) stream.end();
      else stream.write(noise(random, 5), noise(random, random(100_000)), false);
    } else if (doing === 3) {
      server.full = random(2) === 0;
      connection.writer.flush();
      if (!server.full) server.events.writable();
    } else {
      const sent = anyFrame(random, Math.max(1, streams.length), RESPONSE);
      const at = random(sent.length + 1);
      server.events.data(sent.subarray(0, at));
      server.events.data(sent.subarray(at));
    }
    const waiting = connection.writer.waitingBytes;
    if (waiting > 1 << 20) throw new Error(`case ${seed}: ${waiting} bytes wait`);
  }
  const end = new Error("the end of the case");
  server.events.closed(end);
  connection.writer.flush();
  if (lost.length !== 1) throw new Error(`case ${seed}: lost was told ${lost.length} times`);
  checkLost(seed, lost, end);
  for (const stream of streams) {
    if (!stream.closed) throw new Error(`case ${seed}: stream ${stream.id} is left ${stream.state}`);
    if (stream.done && stream.error !== undefined) throw new Error(`case ${seed}: stream ${stream.id} ended twice`);
  }
  if (connection.requests.active.size + connection.requests.waiting > 0) {
    throw new Error(`case ${seed}: streams are left`);
  }
}

/** Header blocks into one decoder: a block or a typed error, and a table within its bound. */
export function hpackCase(seed: number): void {
  const random = generator(seed);
  const hpack = new HpackDecoder(random(2) === 0 ? 4_096 : random(200), 1_000);
  for (let i = 0; i < 10; i++) {
    const input = random(3) === 0 ? noise(random, random(40)) : block(random, RESPONSE);
    try {
      const decoded = hpack.decode(input, 0, input.length);
      if (decoded.fields.join("").length > 1_000) throw new Error(`case ${seed}: a header list above its limit`);
    } catch (error) {
      if (!(error instanceof Http2Error && error.code === 9)) throw error;
      return;
    }
    const tableBytes = hpackTableBytes(hpack);
    if (tableBytes > 4_096) throw new Error(`case ${seed}: the table has ${tableBytes} bytes`);
  }
}

/** The cases by name. `share`: how many of what a run is asked for it makes; those of gRPC take ten times as long. */
export const CASES: Record<string, { play(seed: number): void | Promise<void>; share: number }> = {
  frames: { play: connectionCase, share: 1 },
  "header blocks": { play: hpackCase, share: 1 },
  "gRPC replies": { play: grpcCase, share: 1 / 10 },
  "frames to a server": { play: serverConnectionCase, share: 1 },
  "gRPC requests": { play: serverGrpcCase, share: 1 / 10 },
};

/**
 * Runs `count` cases from `seed` on, as many of each kind as its share.
 *
 * @throws what a case throws that isn't a typed error, with its seed
 */
export async function run(count: number, seed: number): Promise<void> {
  for (const [name, { play, share }] of Object.entries(CASES)) {
    for (let i = 0; i < count * share; i++) {
      try {
        await play(seed + i);
      } catch (error) {
        throw new Error(`${name}: case ${seed + i} failed`, { cause: error });
      }
    }
  }
}
