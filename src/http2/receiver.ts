// Receiving the frames that both ends of a connection handle alike.

import type { Endpoint } from "./endpoint.ts";
import { FloodGuard, RateGuard } from "./flood-guard.ts";
import { SendWindows } from "./send-windows.ts";
import type { Stream } from "./stream.ts";
import { Http2Error } from "./wire/error.ts";
import * as ErrorCode from "./wire/error-code.ts";
import type { ReceiveWindow } from "./wire/flow.ts";
import { MAX_WINDOW } from "./wire/frame.ts";
import type { KindOf } from "./wire/header-block.ts";
import { HpackDecoder } from "./wire/hpack-decoder.ts";

/** SETTINGS_HEADER_TABLE_SIZE: this side leaves it at HTTP/2's default. */
const HEADER_TABLE_BYTES = 4_096;

/** So much of a header block that is refused counts as one frame that serves no call. */
const SECTION_COST_BYTES = 1_024;

/**
 * Handles the frames that concern a whole connection or a stream's window, alike at either end: SETTINGS, PING,
 * WINDOW_UPDATE and ignored frames (RFC 9113 sections 5 and 6). Throws connection errors. Each role adds HEADERS, DATA,
 * RST_STREAM and GOAWAY: `client/receiver.ts` is the example.
 */
export abstract class Receiver<S extends Stream> {
  protected readonly flood: FloodGuard;
  protected readonly hpack: HpackDecoder;
  readonly #endpoint: Endpoint<S>;
  readonly #window: ReceiveWindow;
  readonly #control: RateGuard;
  /** The increment of a connection-level WINDOW_UPDATE that is not written yet, and the number of writes before it. */
  #granted = 0;
  #writesBefore = 0;
  #settled = false;
  readonly #sendWindows: SendWindows;

  constructor(endpoint: Endpoint<S>, kindOf: KindOf) {
    const { clock, limits, writer } = endpoint;
    this.#endpoint = endpoint;
    this.hpack = new HpackDecoder(HEADER_TABLE_BYTES, limits.maxHeaderListBytes, kindOf);
    this.#window = endpoint.receiveWindow;
    this.#sendWindows = new SendWindows(endpoint);
    this.#control = new RateGuard(clock);
    this.flood = new FloodGuard(clock, writer);
  }

  /** The stream of a WINDOW_UPDATE; undefined where it no longer has any effect. @throws Http2Error */
  protected abstract updated(id: number): S | undefined;
  /** A stream error (section 5.4.2). */
  protected abstract fail(stream: S, code: number, why: string): void;
  /** SETTINGS arrived and were acknowledged. `first`: they are the first. */
  protected abstract settled(first: boolean): void;
  /** This side's SETTINGS were acknowledged. */
  protected abstract acknowledged(): void;

  /**
   * Section 6.9: the connection's window counts what is parsed, not what is read, so that an unread stream doesn't
   * stall the others; its own window bounds it. Frames on closed streams count too.
   */
  protected receive(flowLength: number): void {
    const { lender, peerName, writer } = this.#endpoint;
    lender.received(flowLength);
    if (this.#granted > 0 && writer.writes !== this.#writesBefore) {
      this.#window.grow(this.#granted);
      this.#granted = 0;
    }
    if (!this.#window.receive(flowLength)) {
      throw new Http2Error(ErrorCode.FLOW_CONTROL_ERROR, `the ${peerName} exceeded the connection's window`);
    }
    const increment = this.#window.take(flowLength);
    if (increment === 0) return;
    this.#granted += increment;
    this.#writesBefore = writer.writes;
    writer.windowUpdate(0, increment);
  }

  onPadding(id: number, bytes: number): void {
    const stream = this.#endpoint.streams.get(id);
    if (stream !== undefined) this.#endpoint.lender.consumed(stream, bytes);
  }

  onSettings(payload: Uint8Array, start: number, end: number): void {
    const { peer, encoder, writer } = this.#endpoint;
    if (this.#settled) this.controlled(1 + this.#sendWindows.crumbsCost());
    peer.apply(payload, start, end);
    encoder.setMaxTableBytes(peer.leastHeaderTableSize);
    encoder.setMaxTableBytes(peer.headerTableSize);
    const cost = this.#sendWindows.check();
    if (cost > 0) this.controlled(cost);
    writer.settingsAck();
    const first = !this.#settled;
    this.#settled = true;
    this.settled(first);
  }

  onSettingsAck(): void {
    this.onIgnored();
    this.acknowledged();
  }

  onPing(payload: Uint8Array, start: number): void {
    this.onIgnored();
    this.#endpoint.writer.pingAck(payload, start);
  }

  onPingAck(payload: Uint8Array, start: number): void {
    if (!this.#endpoint.lender.pinged(payload, start)) this.onIgnored();
  }

  onWindowUpdate(id: number, increment: number): void {
    const { sender } = this.#endpoint;
    if (id === 0) {
      if (increment === 0) throw new Http2Error(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of 0");
      sender.window.grow(increment);
    } else {
      const stream = this.updated(id);
      if (stream === undefined) return;
      if (increment === 0) return this.fail(stream, ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of 0");
      stream.sendCredit += increment;
      if (sender.windowOf(stream) > MAX_WINDOW) {
        return this.fail(stream, ErrorCode.FLOW_CONTROL_ERROR, "the stream's window overflowed");
      }
      this.#sendWindows.grew(stream);
      sender.enqueue(stream);
    }
    sender.pump();
  }

  /** A frame that serves no call, at the cost of one or more. */
  onIgnored(cost = 1): void {
    if (this.flood.useless(cost)) return;
    const why = `the ${this.#endpoint.peerName} floods the connection with useless frames`;
    throw new Http2Error(ErrorCode.ENHANCE_YOUR_CALM, why);
  }

  /** A header section that is refused for its size: to decode its block, of this many bytes, cost work for nothing. */
  protected refusedSection(bytes: number): void {
    this.onIgnored(1 + Math.floor(bytes / SECTION_COST_BYTES));
  }

  /** Counts a frame that affects the whole connection: no number of calls justifies many. */
  protected controlled(cost = 1): void {
    this.onIgnored();
    if (this.#control.count(cost)) return;
    const why = `the ${this.#endpoint.peerName} floods the connection with SETTINGS and GOAWAY`;
    throw new Http2Error(ErrorCode.ENHANCE_YOUR_CALM, why);
  }
}
