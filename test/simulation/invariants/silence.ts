import type { PipeEnd } from "../network/pipe.ts";
import type { Invariant } from "./invariant.ts";

const HEADERS = 1;
const PREFACE_BYTES = 24;
const FRAME_HEADER_BYTES = 9;
/** How much later than its timers a client may be: it collects what it sends for a moment. */
const SLACK_MS = 100;
/** After it stood still, a client does everything late at once. */
const THAWING_MS = 1_000;

/** Finds the frames in what a client sends. */
class Frames {
  /** How much of the preface, or of a frame, is still to come. */
  #left = PREFACE_BYTES;
  readonly #head: number[] = [];

  read(bytes: Uint8Array, onFrame: (type: number) => void): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#left > 0) {
        const part = Math.min(this.#left, bytes.length - at);
        this.#left -= part;
        at += part;
        continue;
      }
      const head = this.#head;
      head.push(bytes[at++]!);
      if (head.length < FRAME_HEADER_BYTES) continue;
      this.#left = head[0]! << 16 | head[1]! << 8 | head[2]!;
      onFrame(head[3]!);
      head.length = 0;
    }
  }
}

/** Nobody sends a request on a connection that was silent for longer than its keepalive allows: a ping goes first. */
export const asksFirst: Invariant = {
  name: "asks-first",
  watch(world) {
    const { network, time } = world;
    const heardMs = new WeakMap<PipeEnd, number>(), frames = new WeakMap<PipeEnd, Frames>();
    network.onReceived = (end) => heardMs.set(end, time.now());
    network.onSent = (end, bytes) => {
      const client = world.clients.find(({ plan }) => plan.name === end.node), server = end.peer.node;
      // Probes and streams of load reports, which no call waits for, go without one.
      if (
        client === undefined || /prequal|OutOfBand/.test(client.plan.policy) ||
        !world.servers.some(({ address }) => address === server)
      ) return;
      let sent = frames.get(end);
      if (sent === undefined) frames.set(end, sent = new Frames());
      sent.read(bytes, (type) => {
        const nowMs = time.now(), silentMs = nowMs - (heardMs.get(end) ?? nowMs);
        if (type !== HEADERS || silentMs <= client.plan.keepaliveMs + SLACK_MS) return;
        if (nowMs - client.process.thawedMs < THAWING_MS) return;
        world.broken(
          "asks-first",
          `${end.node} calls ${server}, which has said nothing for ${Math.round(silentMs)} ms`,
        );
      });
    };
    return {};
  },
};
