// Generated traffic against the HTTP/2 server.
import { BufferedBytes } from "../../src/http2/server/buffered-bytes.ts";
import { served, TestRequest } from "../http2/server/memory.ts";
import { anyFrame, type UsualHead } from "./frames.ts";
import { checkLost } from "./lost.ts";
import { generator, noise, oneOf } from "./random.ts";

/** A client's. */
export const REQUEST_HEAD: UsualHead = {
  fields: [[":method", "POST"], [":scheme", "http"], [":path", "/a"], [":authority", "b"]],
  index: 3,
  names: [":method", ":path", "content-type", "te", "x-a", "content-length", "X-Bad", "connection", ""],
};
const MOST_BUFFERED = 3_000;

/** A connection that is sent random frames in random pieces while requests are answered and time goes by. */
export function serverConnectionCase(seed: number): void {
  const random = generator(seed);
  const limits = { maxHeaderListBytes: 1_024 + random(2_000), streamWindowBytes: 1 + random(2_000) };
  const buffered = new BufferedBytes(MOST_BUFFERED);
  const { client, connection, clock, requests, closed } = served({
    limits,
    buffered,
    maxConcurrentStreams: 1 + random(8),
    times: { requestTimeoutMs: 10_000, maxConnectionIdleMs: 20_000, maxConnectionAgeMs: 40_000 },
    made: (head) =>
      new TestRequest(head, { longLived: random(2) === 0, reads: random(2) === 0, answer: random(3) > 0 }),
  }, random(20) > 0);
  for (let step = 0; step < 40 && connection.state !== "closed"; step++) {
    const doing = random(12);
    if (doing < 2 && requests.length > 0) {
      const request = oneOf(random, requests);
      if (random(3) === 0) request.reset();
      else if (random(2) === 0) request.respondWith(noise(random, random(100_000)));
      else request.consumed(random(Math.max(1, request.bytes)));
    } else if (doing === 2) {
      client.full = random(2) === 0;
      connection.writer.flush();
      if (!client.full) client.events.writable();
    } else if (doing === 3) {
      const rare = random(20);
      if (rare === 0) connection.drain();
      else if (rare === 1) client.events.end();
      else clock.skip(random(5_000));
    } else {
      const sent = anyFrame(random, 1 + random(12), REQUEST_HEAD);
      const at = random(sent.length + 1);
      client.events.data(sent.subarray(0, at));
      client.events.data(sent.subarray(at));
    }
    const waiting = connection.writer.waitingBytes;
    if (waiting > 1 << 20) throw new Error(`case ${seed}: ${waiting} bytes wait`);
    if (buffered.held < 0 || buffered.held > MOST_BUFFERED) {
      throw new Error(`case ${seed}: ${buffered.held} bytes held`);
    }
  }
  const end = new Error("the end of the case");
  client.events.closed(end);
  connection.writer.flush();
  if (closed.length !== 1) throw new Error(`case ${seed}: closed was told ${closed.length} times`);
  checkLost(seed, closed, end);
  for (const request of requests) {
    if (!request.closed) throw new Error(`case ${seed}: request ${request.id} is left ${request.state}`);
    const ends = request.told.filter((what) => what === "failed").length;
    if (ends > 1) throw new Error(`case ${seed}: request ${request.id} failed ${ends} times`);
  }
  if (connection.inUse) throw new Error(`case ${seed}: streams are left`);
  if (buffered.held !== 0) throw new Error(`case ${seed}: ${buffered.held} bytes are left`);
}
