import assert from "node:assert/strict";
import { it } from "node:test";
import { reasonOf } from "../../../src/observe/page/reason.ts";
import type { RecordedAttempt, RecordedCall } from "../../../src/observe/recorder/recorded-call.ts";

const attempt = (more: Partial<RecordedAttempt>): RecordedAttempt => ({
  endpoint: "10.0.0.1:8000",
  number: 1,
  hedge: false,
  startedMs: 0,
  waitMs: 0,
  latencyMs: 10,
  end: "answered",
  code: "OK",
  ...more,
});

const call = (more: Partial<RecordedCall>): RecordedCall => ({
  target: "simple_grpc",
  method: "proto.Simple/Route",
  kind: "unary",
  startedMs: 0,
  latencyMs: 100,
  code: "OK",
  waited: { resolutionMs: 0, connectionMs: 0, roomMs: 0, backoffMs: 0 },
  attempts: [],
  moreAttempts: 0,
  ...more,
});

const waited = { resolutionMs: 1, connectionMs: 80, roomMs: 0, backoffMs: 5 };

const REASONS: Record<string, RecordedCall> = {
  "UNAVAILABLE: no route. No attempt was made; 80 ms of 100 ms went by waiting for a connection that is ready.": call({
    code: "UNAVAILABLE",
    error: "no route",
    waited,
  }),
  "One attempt; 95 ms of 100 ms went by waiting for 10.0.0.1:8000 to answer.": call({
    attempts: [attempt({ latencyMs: 95, firstByteMs: 90 })],
  }),
  "One attempt; 85 ms of 100 ms went by while the response of 10.0.0.1:8000 was read.": call({
    attempts: [attempt({ latencyMs: 95, firstByteMs: 10 })],
  }),
  "2 attempts; 70 ms of 100 ms went by in an attempt on 10.0.0.2:8000 that failed.": call({
    attempts: [
      attempt({ endpoint: "10.0.0.2:8000", latencyMs: 70, end: "maybe-processed", code: "UNAVAILABLE" }),
      attempt({ number: 2, startedMs: 75, latencyMs: 25 }),
    ],
  }),
  "5 attempts; 60 ms of 100 ms went by waiting for 10.0.0.1:8000, which had not answered when the call ended.": call({
    attempts: [{ endpoint: "10.0.0.1:8000", number: 1, hedge: false, startedMs: 40, waitMs: 0 }],
    moreAttempts: 4,
  }),
  "No attempt was made.": call({ latencyMs: 0 }),
};

for (const [reason, recorded] of Object.entries(REASONS)) {
  it(`the page says of a call: ${reason}`, () => assert.equal(reasonOf(recorded), reason));
}
