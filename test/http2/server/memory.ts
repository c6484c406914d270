// A server's connection over two arrays: the test is the client, byte for byte, without a socket.
import assert from "node:assert/strict";
import { ServerConnection } from "../../../src/http2/server/connection.ts";
import type { ServerConnectionEvents, ServerConnectionOptions } from "../../../src/http2/server/options.ts";
import { Rounds } from "../../../src/http2/server/rounds.ts";
import { ServerStream } from "../../../src/http2/server/stream.ts";
import type { Http2Error } from "../../../src/http2/wire/error.ts";
import type { HeaderBlock } from "../../../src/http2/wire/header-block.ts";
import { HeaderTemplate } from "../../../src/http2/wire/hpack-encoder.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { CLIENT_PREFACE, FrameType, type RawFrame } from "../../support/raw-http2/frame.ts";
import type { Field } from "../../support/raw-http2/header-block.ts";
import { END_HEADERS_STREAM, frame, MemoryServer } from "../memory.ts";

export const REQUEST: readonly Field[] = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/test"],
  [":authority", "example.test"],
];
export const HEAD: HeaderTemplate = new HeaderTemplate([":status", "200"]);
export const TRAILERS: HeaderTemplate = new HeaderTemplate(["grpc-status", "0"]);
const NOTHING = new Uint8Array(0);

/** A request that is written down; by default it is answered as soon as it is complete. */
export class TestRequest extends ServerStream {
  readonly head: HeaderBlock;
  readonly received: Uint8Array[] = [];
  readonly told: string[] = [];
  trailers: HeaderBlock | undefined;
  error: Http2Error | undefined;
  writable = 0;
  /** What it answers with when the request is complete; undefined: nothing. */
  answer: Uint8Array | undefined = NOTHING;
  override readonly longLived: boolean;
  readonly reads: boolean;

  constructor(head: HeaderBlock, options: { longLived?: boolean; reads?: boolean; answer?: boolean } = {}) {
    super();
    const { longLived = false, reads = true, answer = true } = options;
    this.head = head;
    this.longLived = longLived;
    this.reads = reads;
    if (!answer) this.answer = undefined;
  }

  get bytes(): number {
    return this.received.reduce((sum, chunk) => sum + chunk.length, 0);
  }
  override onOpen(): void {
    this.told.push("open");
  }
  onData(chunk: Uint8Array, start: number, end: number): void {
    this.received.push(chunk.subarray(start, end));
    if (this.reads) this.consumed(end - start);
  }
  onEnd(trailers: HeaderBlock | undefined): void {
    assert.equal(this.told[0], "open");
    this.told.push("end");
    this.trailers = trailers;
    if (this.answer !== undefined) this.respondWith(this.answer);
  }
  onFailed(error: Http2Error): void {
    assert.equal(this.told[0], "open");
    this.told.push("failed");
    this.error = error;
  }
  override onWritable(): void {
    this.writable++;
  }
  override onOverloaded(): void {
    this.told.push("overloaded");
  }
  override onRequestTimeout(): void {
    this.told.push("timeout");
  }

  respondWith(body: Uint8Array): void {
    this.respond(HEAD, undefined);
    if (body.length > 0) this.write(NOTHING, body);
    this.finish(TRAILERS, undefined);
  }
}

/** The client's side of a connection in memory. */
export class MemoryClient extends MemoryServer {
  #seen: RawFrame[] = [];

  /** All frames so far. */
  all(): RawFrame[] {
    this.#seen.push(...this.frames());
    return this.#seen;
  }

  /** The frames since the last call, as `type:stream`, without SETTINGS and the connection's windows. */
  names(): string[] {
    return this.frames().filter(({ type, streamId }) =>
      type !== FrameType.settings && !(type === FrameType.windowUpdate && streamId === 0)
    ).map(nameOf);
  }

  request(id: number, { end = true, fields = REQUEST }: { end?: boolean; fields?: readonly Field[] } = {}): void {
    this.send(frame.headers(id, fields, end ? END_HEADERS_STREAM : undefined));
  }
}

/** `headers:1 END`, `rst:3 8`, `goaway:0 last 5 code 11`. */
export function nameOf({ type, flags, streamId, payload }: RawFrame): string {
  const name = Object.entries(FrameType).find(([, value]) => value === type)?.[0] ?? String(type);
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const ends = (type === FrameType.data || type === FrameType.headers) && (flags & 1) !== 0;
  if (type === FrameType.rstStream) return `rst:${streamId} ${view.getUint32(0)}`;
  if (type === FrameType.goaway) return `goaway last ${view.getUint32(0)} code ${view.getUint32(4)}`;
  if (type === FrameType.ping) return flags === 1 ? "ping ack" : "ping";
  if (type === FrameType.data) return `data:${streamId} ${payload.length}${ends ? " END" : ""}`;
  return `${name}:${streamId}${ends ? " END" : ""}`;
}

/** A connection that is served in memory. */
export interface Served {
  readonly client: MemoryClient;
  readonly connection: ServerConnection;
  readonly clock: ManualClock;
  /** The requests so far. */
  readonly requests: TestRequest[];
  /** How the connection ended. */
  readonly closed: (Error | undefined)[];
  /** What its protocol threw. */
  readonly failed: Error[];
}

/** Serves; unless `settle` is false, the client's preface and SETTINGS have come. */
export function served(
  options: Partial<ServerConnectionOptions> & { made?: (head: HeaderBlock) => TestRequest } = {},
  settle = true,
): Served {
  const client = new MemoryClient();
  const requests: TestRequest[] = [];
  const closed: (Error | undefined)[] = [];
  const clock = new ManualClock();
  const failed: Error[] = [];
  const events: ServerConnectionEvents = {
    closed: (cause) => closed.push(cause),
    failed: (error) => failed.push(error),
  };
  const connection = new ServerConnection(client, events, {
    scheduleFlush: client.scheduleFlush,
    rounds: new Rounds(clock, client.nextTurn),
    clock,
    accept(head) {
      const request = options.made?.(head) ?? new TestRequest(head);
      requests.push(request);
      return request;
    },
    ...options,
  });
  client.fromServer = true;
  if (settle) client.send(PREFACE, frame.settings());
  return { client, connection, clock, requests, closed, failed };
}

export const PREFACE: Uint8Array = new TextEncoder().encode(CLIENT_PREFACE);
