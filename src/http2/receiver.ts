import type { Endpoint } from "./endpoint.ts";
import { FloodGuard, RateGuard } from "./flood-guard.ts";
import { SendWindows } from "./send-windows.ts";
import type { Stream } from "./stream.ts";
import { ErrorCode, Http2Error } from "./wire/error.ts";
import { ReceiveWindow } from "./wire/flow.ts";
import { MAX_WINDOW } from "./wire/frame.ts";
import { HpackDecoder } from "./wire/hpack-decoder.ts";

/** SETTINGS_HEADER_TABLE_SIZE: this side leaves it at HTTP/2's default. */
const HEADER_TABLE_BYTES = 4_096;

/**
 * What the frames mean that concern a whole connection, and any stream's window, at either end: SETTINGS, PING,
 * WINDOW_UPDATE, frames of no use (RFC 9113 sections 5 and 6). What breaks the connection is thrown. HEADERS, DATA,
 * RST_STREAM and GOAWAY are for each role to add: `client/receiver.ts` is the example.
 */
export abstract class Receiver<S extends Stream> {
  protected readonly flood: FloodGuard;
  protected readonly hpack: HpackDecoder;
  readonly #endpoint: Endpoint<S>;
  readonly #window: ReceiveWindow;
  readonly #control: RateGuard;
  /** What the connection's window grows by when its WINDOW_UPDATE has left, and how many writes there were before. */
  #granted = 0;
  #writesBefore = 0;
  #settled = false;
  readonly #sendWindows: SendWindows;

  constructor(endpoint: Endpoint<S>) {
    const { clock, limits, writer } = endpoint;
    this.#endpoint = endpoint;
    this.hpack = new HpackDecoder(HEADER_TABLE_BYTES, limits.maxHeaderListBytes);
    this.#window = new ReceiveWindow(limits.connectionWindowBytes);
    this.#sendWindows = new SendWindows(endpoint);
    this.#control = new RateGuard(clock);
    this.flood = new FloodGuard(clock, writer);
  }

  /** The stream that a WINDOW_UPDATE is for; undefined where it means nothing any more. @throws Http2Error */
  protected abstract updated(id: number): S | undefined;
  /** A stream error (section 5.4.2). */
  protected abstract fail(stream: S, code: number, why: string): void;
  /** SETTINGS came and were acknowledged; whether they are the first. */
  protected abstract settled(first: boolean): void;
  /** This side's SETTINGS were acknowledged. */
  protected abstract acknowledged(): void;

  /**
   * Section 6.9: the connection's window counts what is parsed, not what is read, so that a stream that nobody reads
   * doesn't hold up the others; its own window bounds it. Frames of closed streams count too.
   */
  protected receive(flowLength: number): void {
    const { lender, peerName, writer } = this.#endpoint;
    lender.received(flowLength);
    if (this.#granted > 0 && writer.writes !== this.#writesBefore) {
      this.#window.grow(this.#granted);
      this.#granted = 0;
    }
    if (!this.#window.receive(flowLength)) {
      throw new Http2Error(ErrorCode.FLOW_CONTROL_ERROR, `the ${peerName} sent more than the connection's window`);
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
      if (increment === 0) throw new Http2Error(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE by 0");
      sender.window.grow(increment);
    } else {
      const stream = this.updated(id);
      if (stream === undefined) return;
      if (increment === 0) return this.fail(stream, ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE by 0");
      stream.sendCredit += increment;
      if (sender.windowOf(stream) > MAX_WINDOW) {
        return this.fail(stream, ErrorCode.FLOW_CONTROL_ERROR, "the stream's window overflowed");
      }
      this.#sendWindows.grew(stream);
      sender.enqueue(stream);
    }
    sender.pump();
  }

  /** A frame that serves no call. */
  onIgnored(): void {
    if (this.flood.useless()) return;
    const why = `the ${this.#endpoint.peerName} floods the connection with frames of no use`;
    throw new Http2Error(ErrorCode.ENHANCE_YOUR_CALM, why);
  }

  /** A frame that changes the whole connection: no call makes more of them honest. */
  protected controlled(cost = 1): void {
    this.onIgnored();
    if (this.#control.count(cost)) return;
    const why = `the ${this.#endpoint.peerName} floods the connection with SETTINGS and GOAWAY`;
    throw new Http2Error(ErrorCode.ENHANCE_YOUR_CALM, why);
  }
}
