import type { ByteStream } from "../byte-stream.ts";
import type { FrameReader } from "../wire/frame-reader.ts";

/** How much work a connection may make in one turn of the event loop, in small requests. */
const TURN_COST = 128;

/**
 * Lets the connections of a process take turns. A socket can hold thousands of requests, and more arrive while they are
 * handled: all clients would wait for one that sends as much as it can. So a connection whose requests made much work
 * is not read until the others have had their turn.
 */
export class ReadingTurns {
  readonly #bytes: ByteStream;
  readonly #reader: FrameReader;
  readonly #nextTurn: (run: () => void) => void;
  /** Reads a chunk, through {@link read}; must not throw. */
  readonly #onChunk: (chunk: Uint8Array) => void;
  #cost = 0;
  /** What arrived and waits for the next turn; undefined while it is the connection's turn. */
  #waiting: Uint8Array[] | undefined;
  /** To be called once nothing waits. */
  #whenRead: (() => void) | undefined;

  constructor(
    bytes: ByteStream,
    reader: FrameReader,
    nextTurn: (run: () => void) => void,
    onChunk: (chunk: Uint8Array) => void,
  ) {
    this.#bytes = bytes;
    this.#reader = reader;
    this.#nextTurn = nextTurn;
    this.#onChunk = onChunk;
  }

  /** Returns whether a chunk has to wait until those before it are read. */
  later(chunk: Uint8Array): boolean {
    this.#waiting?.push(chunk);
    return this.#waiting !== undefined;
  }

  /** The same for what follows all chunks, which is called then. */
  after(run: () => void): boolean {
    if (this.#waiting === undefined) return false;
    this.#whenRead = run;
    return true;
  }

  /** Reads a chunk as far as this turn goes. @throws Http2Error */
  read(chunk: Uint8Array): void {
    const at = this.#reader.read(chunk);
    if (at < chunk.length) this.#waiting?.unshift(chunk.subarray(at));
  }

  /** The connection made work. */
  worked(cost: number): void {
    this.#cost += cost;
    if (this.#cost < TURN_COST || this.#waiting !== undefined) return;
    this.#cost = 0;
    this.#waiting = [];
    this.#reader.pause();
    this.#bytes.pause();
    this.#nextTurn(this.#resume);
  }

  readonly #resume = (): void => {
    const chunks = this.#waiting!;
    this.#waiting = undefined;
    // The turn may be over again before all are read.
    for (const chunk of chunks) if (!this.later(chunk)) this.#onChunk(chunk);
    if (this.#waiting !== undefined) return;
    this.#bytes.resume();
    this.#whenRead?.();
  };
}
