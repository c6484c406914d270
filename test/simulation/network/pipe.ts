import type { ByteStream, ByteStreamEvents } from "../../../src/http2/byte-stream.ts";
import type { Process } from "../world/process.ts";
import type { Network } from "./network.ts";

/** How many bytes may be on the way, or unread, before the writer is asked to wait. */
const FULL_BYTES = 64 * 1024;

/** How long a system tries to send bytes before it gives the connection up (Linux: about 15 minutes). */
const GIVE_UP_MS = 924_600;

/** What is on its way. */
interface Segment {
  readonly bytes: Uint8Array | "end";
  readonly atMs: number;
}

/** An error as the runtime's sockets have it. */
export function socketFailure(code: string, text: string): Error {
  return Object.assign(new Error(text), { code });
}

/** One end of a TCP connection. */
export class PipeEnd implements ByteStream {
  readonly process: Process;
  /** What the machine at this end is called. */
  readonly node: string;
  peer!: PipeEnd;
  readonly #network: Network;
  #events: ByteStreamEvents | undefined;
  /** What the peer has sent, oldest first. */
  readonly #incoming: Segment[] = [];
  #scheduled = false;
  /** When the last that was sent will arrive. */
  #lastMs = 0;
  #sentBytes = 0;
  #full = false;
  #paused = false;
  #ended = false;
  #gone = false;
  #closed = false;
  #blockedSinceMs: number | undefined;
  #forgotten = false;

  constructor(process: Process, node: string, network: Network) {
    this.process = process;
    this.node = node;
    this.#network = network;
    process.whenDead(() => this.#died());
  }

  get gone(): boolean {
    return this.#gone;
  }

  start(events: ByteStreamEvents): void {
    this.#events = events;
    if (this.#gone) return this.#network.soon(this.process, () => events.closed(new Error("the socket is closed")));
    this.#schedule();
  }

  write(bytes: Uint8Array): boolean {
    if (this.#ended || this.#gone || this.process.dead) return true;
    this.#sentBytes += bytes.length;
    this.#network.onSent?.(this, bytes);
    // A copy, as a system makes one.
    this.#send(bytes.slice());
    this.#full = this.#sentBytes >= FULL_BYTES;
    return !this.#full;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#schedule();
  }

  end(): void {
    if (this.#ended || this.#gone || this.process.dead) return;
    this.#ended = true;
    this.#send("end");
  }

  destroy(): void {
    if (this.#gone) return;
    this.end();
    this.#close(undefined);
  }

  hold(): void {}

  /** The connection is reset, at both ends. */
  reset(): void {
    this.#close(socketFailure("ECONNRESET", "read ECONNRESET"));
    this.peer.#close(socketFailure("ECONNRESET", "read ECONNRESET"));
  }

  /** What is between the ends knows nothing of this connection any more: nothing gets through. */
  forget(): void {
    this.#forgotten = this.peer.#forgotten = true;
  }

  /** The way to this end is open again. */
  unblocked(): void {
    if (this.#blockedSinceMs === undefined || this.#forgotten) return;
    this.#blockedSinceMs = undefined;
    this.#schedule();
  }

  #send(bytes: Uint8Array | "end"): void {
    const atMs = this.#network.arrival(this, bytes === "end" ? 0 : bytes.length, this.#lastMs);
    this.#lastMs = atMs;
    this.peer.#incoming.push({ bytes, atMs });
    this.peer.#schedule();
  }

  #schedule(): void {
    const first = this.#incoming[0];
    if (this.#scheduled || first === undefined || this.#events === undefined || this.#paused) return;
    this.#scheduled = true;
    this.#network.at(first.atMs, () => {
      this.#scheduled = false;
      this.#arrived();
    });
  }

  #arrived(): void {
    if (this.#forgotten || this.#network.blocked(this.peer.node, this.node)) return this.#wait();
    if (this.#gone || this.process.dead) return this.#refuse();
    this.process.run(() => {
      const nowMs = this.#network.now();
      for (let first = this.#incoming[0]; first !== undefined && !this.#paused; first = this.#incoming[0]) {
        if (first.atMs > nowMs || this.#gone) break;
        this.#incoming.shift();
        this.#deliver(first.bytes);
      }
      this.#schedule();
    });
  }

  #deliver(bytes: Uint8Array | "end"): void {
    if (bytes === "end") {
      this.#events?.end();
      if (this.#ended && !this.#gone) this.#close(undefined);
      return;
    }
    this.#network.trace.bytes(bytes);
    this.#network.onReceived?.(this);
    this.peer.#acknowledged(bytes.length);
    this.#events?.data(bytes);
  }

  #acknowledged(bytes: number): void {
    this.#sentBytes -= bytes;
    if (!this.#full || this.#sentBytes > FULL_BYTES / 2) return;
    this.#full = false;
    const atMs = this.#network.now() + this.#network.latencyMs(this.peer.node, this.node);
    this.#network.at(atMs, () => this.process.run(() => this.#gone || this.#events?.writable()));
  }

  /** Nothing gets through: the sender's system tries again and again, and gives up in the end. */
  #wait(): void {
    if (this.#blockedSinceMs !== undefined) return;
    const sinceMs = this.#blockedSinceMs = this.#network.now();
    this.#network.at(sinceMs + GIVE_UP_MS, () => {
      if (this.#blockedSinceMs !== sinceMs) return;
      this.peer.#close(socketFailure("ETIMEDOUT", "read ETIMEDOUT"));
    });
  }

  /** Nobody is at this end any more: the sender learns so, if the machine is up. */
  #refuse(): void {
    this.#incoming.length = 0;
    if (this.peer.#gone || !this.#network.isUp(this.node)) return;
    const atMs = this.#network.now() + this.#network.latencyMs(this.node, this.peer.node);
    this.#network.at(atMs, () => {
      if (this.#forgotten || this.#network.blocked(this.node, this.peer.node)) return;
      this.peer.#close(socketFailure("ECONNRESET", "read ECONNRESET"));
    });
  }

  /** The process at this end died: its system ends the connection, unless the machine is gone, too. */
  #died(): void {
    if (!this.#closed) this.#network.leftBehind(this);
    if (this.#gone) return;
    this.#gone = true;
    this.#network.left(this);
    if (!this.#network.isUp(this.node)) return;
    if (this.#incoming.length > 0) return this.#refuse();
    this.#ended = true;
    this.#send("end");
  }

  #close(cause: Error | undefined): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#network.left(this);
    this.#network.soon(this.process, () => this.closed(cause));
  }

  /** The program learns that the connection has ended. */
  closed(cause: Error | undefined): void {
    this.#closed = true;
    this.#events?.closed(cause);
  }
}
