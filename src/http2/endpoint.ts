import { nextId, type SocketSnapshot } from "../snapshot.ts";
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
import { Http2Error } from "./wire/error.ts";
import * as ErrorCode from "./wire/error-code.ts";
import { ReceiveWindow } from "./wire/flow.ts";
import { FrameWriter } from "./wire/frame-writer.ts";
import type { ScheduleFlush } from "./wire/frame-writer.ts";
import { HpackEncoder } from "./wire/hpack-encoder.ts";
import { PeerSettings } from "./wire/settings.ts";

/** Options of a connection, at either end. */
export interface EndpointOptions {
  limits?: Http2Limits | undefined;
  /** Defaults to the runtime's. */
  clock?: Clock | undefined;
  /**
   * Schedules the flush of buffered frames. Defaults to a microtask; `flush-scheduler.ts` batches more into one
   * write.
   */
  scheduleFlush?: ScheduleFlush | undefined;
}

/** Which end of a connection an {@link Endpoint} is. */
export type Role = "client" | "server";

/**
 * One end of an HTTP/2 connection: the parts that clients and servers share, and the behaviour common to both. Each
 * role adds which streams there are, who opens them and how the connection ends: `client/connection.ts` is the example.
 * (A base class rather than a part, so that a small call reaches writer and sender in one step.)
 */
export abstract class Endpoint<S extends Stream> {
  readonly clock: Clock;
  readonly limits: ResolvedHttp2Limits;
  readonly peer: PeerSettings;
  readonly encoder: HpackEncoder = new HpackEncoder();
  readonly writer: FrameWriter;
  readonly sender: Sender;
  readonly lender: Lender;
  readonly receiveWindow: ReceiveWindow;
  /** The streams that count against MAX_CONCURRENT_STREAMS (RFC 9113 section 5.1.2), by id. */
  readonly streams: StreamTable<S> = new StreamTable();
  /** How errors refer to the other end. */
  readonly peerName: Role;
  protected readonly bytes: ByteStream;
  readonly #id = nextId();
  readonly #sinceMs: number;
  #held = false;

  constructor(role: Role, bytes: ByteStream, options: EndpointOptions) {
    this.peerName = role === "client" ? "server" : "client";
    this.bytes = bytes;
    this.clock = options.clock ?? systemClock;
    this.#sinceMs = this.clock.now();
    this.limits = resolveLimits(options.limits);
    this.peer = new PeerSettings(this.peerName);
    const schedule = options.scheduleFlush ?? nextMicrotask();
    this.writer = new FrameWriter(bytes, (flush) => schedule(flush, this.#load));
    this.sender = new Sender(this.writer, this.peer);
    this.lender = new Lender(this.limits, this.clock, this.writer);
    this.receiveWindow = new ReceiveWindow(this.limits.connectionWindowBytes);
  }

  /** How many streams there were, and how many of them have ended before the whole response was sent or received. */
  abstract readonly requests: { readonly started: number; readonly failed: number };
  /** Whether new streams are accepted. */
  abstract readonly usable: boolean;
  /** How many keepalive PINGs were sent. */
  protected abstract readonly pings: number;

  /** Its state at this moment. */
  snapshot(): SocketSnapshot {
    const { requests: { started, failed }, streams: { size: inFlight } } = this;
    return {
      ...{ local: undefined, remote: undefined, secure: undefined, cipher: undefined, ...this.bytes.info?.() },
      id: this.#id,
      protocol: "h2",
      sinceMs: this.#sinceMs,
      draining: !this.usable,
      streams: { started, succeeded: started - failed - inFlight, failed, inFlight },
      pings: this.pings,
      sendWindowBytes: this.sender.window.left,
      receiveWindowBytes: this.receiveWindow.left,
    };
  }

  /** Whether the connection keeps the process alive: from the first stream until the last one ends. */
  protected get held(): boolean {
    return this.#held;
  }
  protected set held(on: boolean) {
    this.#held = on;
    this.bytes.hold(on);
  }

  /** A few calls one after another are one at a time; those that came together with others will do so again. */
  get #load(): "one call" | "calls" {
    return this.streams.size <= 1 && this.writer.dataFramesFlushed <= 1 ? "one call" : "calls";
  }

  /** Replies that pile up for a peer that doesn't read them are a flood (section 10.5). */
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
