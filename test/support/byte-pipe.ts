import type { ByteStream, ByteStreamEvents } from "../../src/http2/byte-stream.ts";

/** How many bytes one end may have on the way before it is told to wait. */
const FULL_BYTES = 64 * 1024;

/** One end of a pipe in memory. */
class PipeEnd implements ByteStream {
  other!: PipeEnd;
  events: ByteStreamEvents | undefined;
  readonly #waiting: (Uint8Array | "end")[] = [];
  #waitingBytes = 0;
  #wasFull = false;
  #ended = false;
  #gone = false;
  #paused = false;
  #scheduled = false;

  start(events: ByteStreamEvents): void {
    this.events = events;
    this.other.#deliverSoon();
  }

  write(bytes: Uint8Array): boolean {
    if (this.#ended || this.#gone) return true;
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#deliverSoon();
    this.#wasFull = this.#waitingBytes >= FULL_BYTES;
    return !this.#wasFull;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.other.#deliverSoon();
  }

  end(): void {
    if (this.#ended || this.#gone) return;
    this.#ended = true;
    this.#waiting.push("end");
    this.#deliverSoon();
  }

  destroy(): void {
    this.end();
    this.#deliver();
    this.#close();
    queueMicrotask(() => this.other.#close());
  }

  hold(): void {}

  #close(): void {
    if (this.#gone) return;
    this.#gone = true;
    queueMicrotask(() => this.events?.closed());
  }

  #deliverSoon(): void {
    if (this.#scheduled || this.other.events === undefined) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    const { events } = this.other;
    if (events === undefined || this.other.#gone) return;
    for (let next; !this.other.#paused && (next = this.#waiting.shift()) !== undefined;) {
      if (next === "end") events.end();
      else events.data(next);
    }
    if (this.#waiting.length > 0) return;
    this.#waitingBytes = 0;
    if (!this.#wasFull || this.#gone) return;
    this.#wasFull = false;
    this.events?.writable();
  }
}

/** Two byte streams, each of which reads what is written to the other. */
export function bytePipe(): [ByteStream, ByteStream] {
  const ends = [new PipeEnd(), new PipeEnd()] as const;
  ends[0].other = ends[1];
  ends[1].other = ends[0];
  return [...ends];
}
