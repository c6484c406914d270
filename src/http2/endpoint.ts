import { systemClock } from "../time/clock.ts";
import type { Clock } from "../time/clock.ts";
import type { ByteStream } from "./byte-stream.ts";
import { MAX_WAITING_CONTROL_BYTES } from "./flood-guard.ts";
import { Lender } from "./lender.ts";
import { resolveLimits } from "./limits.ts";
import type { Http2Limits, ResolvedHttp2Limits } from "./limits.ts";
import { Sender } from "./sender.ts";
import type { Stream } from "./stream.ts";
import { StreamTable } from "./stream-table.ts";
import { ErrorCode, Http2Error } from "./wire/error.ts";
import { FrameWriter } from "./wire/frame-writer.ts";
import type { ScheduleFlush } from "./wire/frame-writer.ts";
import { HpackEncoder } from "./wire/hpack-encoder.ts";
import { PeerSettings } from "./wire/settings.ts";

/** Settings of a connection, at either end. */
export interface EndpointOptions {
  limits?: Http2Limits | undefined;
  /** Defaults to the runtime's. */
  clock?: Clock | undefined;
  /** When what was buffered is written. Defaults to a microtask; `node/flush-scheduler.ts` gathers more into one write. */
  scheduleFlush?: ScheduleFlush | undefined;
}

/** What differs between the ends in what both do. */
export type Role = "client" | "server";

/**
 * One end of an HTTP/2 connection: the parts that a client's and a server's are both made of, and what they do alike.
 * Which streams there are, who opens them and how the connection ends is for each role to add: `client/connection.ts` is
 * the example. (A base class rather than a part, so that a small call reaches writer and sender in one step.)
 */
export abstract class Endpoint<S extends Stream> {
  readonly clock: Clock;
  readonly limits: ResolvedHttp2Limits;
  readonly peer: PeerSettings = new PeerSettings();
  readonly encoder: HpackEncoder = new HpackEncoder();
  readonly writer: FrameWriter;
  readonly sender: Sender;
  readonly lender: Lender;
  /** The streams that count against MAX_CONCURRENT_STREAMS (RFC 9113 section 5.1.2), by id. */
  readonly streams: StreamTable<S> = new StreamTable();
  /** What the other end is called in errors. */
  readonly peerName: Role;
  protected readonly bytes: ByteStream;
  #held = false;

  constructor(role: Role, bytes: ByteStream, options: EndpointOptions) {
    this.peerName = role === "client" ? "server" : "client";
    this.bytes = bytes;
    this.clock = options.clock ?? systemClock;
    this.limits = resolveLimits(options.limits);
    this.writer = new FrameWriter(bytes, options.scheduleFlush ?? nextMicrotask());
    this.sender = new Sender(this.writer, this.peer);
    this.lender = new Lender(this.limits, this.clock, this.writer);
  }

  /** Whether the process is held; the first stream holds it, and the end of the last lets it go. */
  protected get held(): boolean {
    return this.#held;
  }
  protected set held(on: boolean) {
    this.#held = on;
    this.bytes.hold(on);
  }

  /** Answers that pile up for a peer that doesn't read them are a flood (section 10.5). */
  protected checkControlBytes(): void {
    if (!this.writer.blocked || this.writer.waitingControlBytes <= MAX_WAITING_CONTROL_BYTES) return;
    const why = `the ${this.peerName} doesn't read the answers to its own frames`;
    throw new Http2Error(ErrorCode.ENHANCE_YOUR_CALM, why);
  }
}

function nextMicrotask(): ScheduleFlush {
  let scheduled = false;
  return (flush) => {
    if (scheduled) return;
    scheduled = true;
    queueMicrotask(() => {
      scheduled = false;
      flush();
    });
  };
}
