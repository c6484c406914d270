import { HpackDecoder } from "../../../src/http2/wire/hpack-decoder.ts";
import { requestKind } from "../../../src/http2/server/request-fields.ts";
import { concat } from "../../support/raw-http2/frame.ts";
import type { PipeEnd } from "../network/pipe.ts";
import { Simulated } from "../world/service.ts";
import type { Invariant } from "./invariant.ts";

const HEADERS = 1;
const PREFACE_BYTES = 24;
const FRAME_HEADER_BYTES = 9;
/** What both ends agree on by default (RFC 9113 section 6.5.2), and more than any client sends here. */
const HEADER_TABLE_BYTES = 4_096, MOST_HEADER_BYTES = 1 << 20;
/** How much later than its timers a client may be: it collects what it sends for a moment. */
const SLACK_MS = 100;
/** After it stood still, a client does everything late at once. */
const THAWING_MS = 1_000;

/** Finds the requests in what a client sends. Each of their header blocks is one frame, without padding. */
class Requests {
  readonly #hpack = new HpackDecoder(HEADER_TABLE_BYTES, MOST_HEADER_BYTES, requestKind);
  /** How much of the preface, or of a frame's payload, is still to come. */
  #left = PREFACE_BYTES;
  #type = -1;
  readonly #head: number[] = [];
  /** What has come of a header block. */
  #block: Uint8Array = new Uint8Array();

  read(bytes: Uint8Array, onRequest: (path: string) => void): void {
    for (let at = 0; at < bytes.length;) {
      const head = this.#head, end = Math.min(at + this.#left, bytes.length);
      this.#left -= end - at;
      if (this.#type === HEADERS) {
        // The caller writes over what it sent, so that parts have to be copies.
        if (this.#block.length > 0 || this.#left > 0) this.#block = concat(this.#block, bytes.subarray(at, end));
        if (this.#left === 0) onRequest(this.#path(bytes, at, end));
      }
      at = end;
      if (this.#left > 0) return;
      this.#type = -1;
      if (head.length === 0 && at + FRAME_HEADER_BYTES <= bytes.length) {
        this.#left = bytes[at]! << 16 | bytes[at + 1]! << 8 | bytes[at + 2]!;
        this.#type = bytes[at + 3]!;
        at += FRAME_HEADER_BYTES;
        continue;
      }
      while (head.length < FRAME_HEADER_BYTES && at < bytes.length) head.push(bytes[at++]!);
      if (head.length < FRAME_HEADER_BYTES) return;
      this.#left = head[0]! << 16 | head[1]! << 8 | head[2]!;
      this.#type = head[3]!;
      head.length = 0;
    }
  }

  /** Of the block that came before, or of one that is whole in what was sent. */
  #path(bytes: Uint8Array, at: number, end: number): string {
    const block = this.#block;
    if (block.length === 0) return this.#hpack.decode(bytes, at, end).path;
    this.#block = new Uint8Array();
    return this.#hpack.decode(block, 0, block.length).path;
  }
}

/**
 * Nobody makes a call on a connection that was silent for longer than its keepalive allows: a ping goes first. Probes and
 * streams of load reports go without one: no call waits for them.
 */
export const asksFirst: Invariant = {
  name: "asks-first",
  watch(world) {
    const { network, time } = world;
    const heardMs = new WeakMap<PipeEnd, number>(), requests = new WeakMap<PipeEnd, Requests>();
    const clients = new Map(world.clients.map((client) => [client.plan.name, client]));
    const servers = new Set(world.servers.map(({ address }) => address));
    network.onReceived = (end) => heardMs.set(end, time.now());
    network.onSent = (end, bytes) => {
      const client = clients.get(end.node), server = end.peer.node;
      if (client === undefined || !servers.has(server)) return;
      let sent = requests.get(end);
      if (sent === undefined) requests.set(end, sent = new Requests());
      sent.read(bytes, (path) => {
        const nowMs = time.now(), silentMs = nowMs - (heardMs.get(end) ?? nowMs);
        if (silentMs <= client.plan.keepaliveMs + SLACK_MS || nowMs - client.process.thawedMs < THAWING_MS) return;
        if (!path.startsWith(`/${Simulated.typeName}/`)) return;
        world.broken(
          "asks-first",
          `${end.node} calls ${server}, which has said nothing for ${Math.round(silentMs)} ms`,
        );
      });
    };
    return {};
  },
};
