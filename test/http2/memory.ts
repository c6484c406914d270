// A connection over two arrays: the test is the server, byte for byte, without a socket.
import type { ByteStream, ByteStreamEvents } from "../../src/http2/byte-stream.ts";
import { type ConnectionOptions, Http2Connection } from "../../src/http2/client/connection.ts";
import type { StreamError } from "../../src/http2/client/stream-error.ts";
import type { HeaderBlock } from "../../src/http2/wire/header-block.ts";
import { HeaderTemplate } from "../../src/http2/wire/hpack-encoder.ts";
import { ClientStream } from "../../src/http2/client/stream.ts";
import {
  CLIENT_PREFACE,
  concat,
  decodeFrame,
  encodeFrame,
  Flag,
  FrameType,
  type RawFrame,
  uint32,
} from "../support/raw-http2/frame.ts";
import { type Field, headerBlock } from "../support/raw-http2/header-block.ts";

/** The server's side of a connection in memory. */
export class MemoryServer implements ByteStream {
  events!: ByteStreamEvents;
  /** What each write of the client held. */
  readonly writes: Uint8Array[] = [];
  /** Answers every write with "full" until set back; call `events.writable()` then. */
  full = false;
  paused = false;
  ended = false;
  destroyed = false;
  held = false;
  /** Whether the frames are a server's, which begin without a client's preface. */
  fromServer = false;
  #read = 0;
  #scheduled = false;
  readonly #turns: (() => void)[] = [];

  start(events: ByteStreamEvents): void {
    this.events = events;
  }
  write(bytes: Uint8Array): boolean {
    this.writes.push(bytes);
    return !this.full;
  }
  /** An immediate, as `node/flush-scheduler.ts` has it on Node. */
  readonly scheduleFlush = (flush: () => void): void => {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      flush();
    });
  };
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  /** What a connection does in its next turns is done by the end of each `send`. */
  readonly nextTurn = (run: () => void): void => void this.#turns.push(run);
  end(): void {
    this.ended = true;
  }
  destroy(): void {
    this.destroyed = true;
  }
  hold(on: boolean): void {
    this.held = on;
  }

  /** The frames that came since the last call. */
  frames(): RawFrame[] {
    const all = concat(...this.writes);
    const frames: RawFrame[] = [];
    if (this.#read === 0 && !this.fromServer && all.length >= CLIENT_PREFACE.length) this.#read = CLIENT_PREFACE.length;
    for (let frame; (frame = decodeFrame(all.subarray(this.#read))) !== undefined;) {
      this.#read += 9 + frame.payload.length;
      frames.push(frame);
    }
    return frames;
  }

  send(...frames: Uint8Array[]): void {
    this.events.data(concat(...frames));
    for (let turn; (turn = this.#turns.shift()) !== undefined;) turn();
  }
}

export const frame = {
  settings: (...settings: [id: number, value: number][]): Uint8Array =>
    encodeFrame(
      FrameType.settings,
      0,
      0,
      concat(...settings.map(([id, value]) => concat(new Uint8Array([id >> 8, id]), uint32(value)))),
    ),
  settingsAck: (): Uint8Array => encodeFrame(FrameType.settings, Flag.ack, 0, new Uint8Array(0)),
  headers: (id: number, fields: readonly Field[], flags: number = Flag.endHeaders): Uint8Array =>
    encodeFrame(FrameType.headers, flags, id, headerBlock(fields)),
  block: (id: number, block: Uint8Array, flags: number = Flag.endHeaders): Uint8Array =>
    encodeFrame(FrameType.headers, flags, id, block),
  continuation: (id: number, block: Uint8Array, flags: number): Uint8Array =>
    encodeFrame(FrameType.continuation, flags, id, block),
  data: (id: number, bytes: Uint8Array, flags = 0): Uint8Array => encodeFrame(FrameType.data, flags, id, bytes),
  reset: (id: number, code: number): Uint8Array => encodeFrame(FrameType.rstStream, 0, id, uint32(code)),
  ping: (ack = false): Uint8Array => encodeFrame(FrameType.ping, ack ? Flag.ack : 0, 0, new Uint8Array(8)),
  goaway: (last: number, code = 0, debug = ""): Uint8Array =>
    encodeFrame(FrameType.goaway, 0, 0, concat(uint32(last), uint32(code), new TextEncoder().encode(debug))),
  windowUpdate: (id: number, increment: number): Uint8Array =>
    encodeFrame(FrameType.windowUpdate, 0, id, uint32(increment)),
};

export const OK: readonly Field[] = [[":status", "200"]];
export const END_HEADERS_STREAM: number = Flag.endHeaders | Flag.endStream;

/** A request whose response is written down. */
export class TestStream extends ClientStream {
  head: HeaderBlock | undefined;
  readonly received: Uint8Array[] = [];
  trailers: HeaderBlock | undefined;
  done = false;
  error: StreamError | undefined;
  writable = 0;
  /** Whether what comes counts as read at once. */
  readonly reads: boolean;

  constructor(reads = true) {
    super();
    this.reads = reads;
  }

  get bytes(): number {
    return this.received.reduce((sum, chunk) => sum + chunk.length, 0);
  }
  onHead(head: HeaderBlock): void {
    this.head = head;
  }
  onData(chunk: Uint8Array, start: number, end: number): void {
    this.received.push(chunk.subarray(start, end));
    if (this.reads) this.consumed(end - start);
  }
  onEnd(trailers: HeaderBlock | undefined): void {
    this.done = true;
    this.trailers = trailers;
  }
  onFailed(error: StreamError): void {
    this.error = error;
  }
  override onWritable(): void {
    this.writable++;
  }
}

export const TEMPLATE: HeaderTemplate = new HeaderTemplate([
  ":method",
  "POST",
  ":scheme",
  "http",
  ":path",
  "/test",
  ":authority",
  "example.test",
]);

/** A client's connection and its server in memory. */
export interface Pair {
  readonly server: MemoryServer;
  readonly connection: Http2Connection;
  /** What the connection told its owner. */
  readonly told: string[];
  /** The causes that it told its owner as it was lost: one at most. */
  readonly lost: (Error | undefined)[];
  /** Makes a request; a body is sent with it unless `end` is false. */
  request(options?: { reads?: boolean; end?: boolean; body?: Uint8Array; extra?: string[] }): TestStream;
}

/** Connects; unless `settle` is false the server's SETTINGS have come. */
export function pair(
  options: ConnectionOptions = {},
  settle = true,
  events: { room?: () => void } = {},
): Pair {
  const server = new MemoryServer();
  const told: string[] = [];
  const lost: (Error | undefined)[] = [];
  const connection = new Http2Connection(server, {
    ready: () => told.push("ready"),
    draining: () => told.push("draining"),
    lost: (cause) => {
      told.push(`lost: ${cause?.message}`);
      lost.push(cause);
    },
    ...events,
  }, { scheduleFlush: server.scheduleFlush, ...options });
  if (settle) server.send(frame.settings());
  return {
    server,
    connection,
    told,
    lost,
    request({ reads = true, end = true, body = new Uint8Array(0), extra } = {}) {
      const stream = new TestStream(reads);
      stream.open(connection, TEMPLATE, extra);
      if (body.length > 0) stream.write(new Uint8Array(0), body, end);
      else if (end) stream.end();
      return stream;
    },
  };
}

/** Lets the connection write what it buffered. */
export async function flushed(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
  await new Promise<void>((resolve) => setImmediate(resolve));
}
