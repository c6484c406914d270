import { beginArrival, endArrival } from "../../time/arrival.ts";
import type { ByteStream } from "../byte-stream.ts";
import type { FrameReader } from "../wire/frame-reader.ts";
import type { Rounds } from "./rounds.ts";

/** How much work a connection may make in one turn of the event loop, in small requests. */
const TURN_COST = 128;
/** How much it may make in any case, even where many others do so, too. */
const LEAST_COST = 16;

/**
 * Lets the connections of a server take turns. A socket can hold thousands of requests, and more arrive while they are
 * handled: all clients would wait for one that sends as much as it can. So a connection whose requests made much work
 * is not read until the others have had their turn.
 */
export class ReadingTurns {
  readonly #bytes: ByteStream;
  readonly #reader: FrameReader;
  readonly #rounds: Rounds;
  /** Reads a chunk, through {@link read}; must not throw. */
  readonly #onChunk: (chunk: Uint8Array) => unknown;
  /** The work of this turn, and how much of it the others know. */
  #cost = 0;
  #counted = 0;
  #turn = 0;
  /** The last turn in which it went on after it had waited. */
  #wentOn = -1;
  /** What arrived and waits for the next turn; undefined while it is the connection's turn. */
  #waiting: Uint8Array[] | undefined;
  /** To be called once nothing waits. */
  #whenRead: (() => void) | undefined;

  constructor(
    bytes: ByteStream,
    reader: FrameReader,
    rounds: Rounds,
    onChunk: (chunk: Uint8Array) => unknown,
  ) {
    this.#bytes = bytes;
    this.#reader = reader;
    this.#rounds = rounds;
    this.#onChunk = onChunk;
  }

  /**
   * Returns whether a chunk has to wait: for those before it, or because the connection had its part of this turn, of
   * which nothing is left.
   */
  later(chunk: Uint8Array): boolean {
    if (this.#waiting === undefined && this.#wentOn === this.#rounds.turn && this.#rounds.over) this.#wait();
    this.#waiting?.push(chunk);
    return this.#waiting !== undefined;
  }

  /** The same for what follows all chunks, which is called then. */
  after(run: () => void): boolean {
    if (this.#waiting === undefined) return false;
    this.#whenRead = run;
    return true;
  }

  /** Reads a chunk as far as this turn goes. Returns whether something of it may be kept. @throws Http2Error */
  read(chunk: Uint8Array): boolean {
    beginArrival();
    try {
      const at = this.#reader.read(chunk);
      if (at < chunk.length) this.#waiting?.unshift(chunk.subarray(at));
      return this.#reader.kept || at < chunk.length;
    } finally {
      endArrival();
    }
  }

  /** The connection made work. */
  worked(cost: number): void {
    const rounds = this.#rounds;
    if (this.#turn !== rounds.turn) this.#begin(rounds.turn);
    this.#cost += cost;
    if (this.#cost - this.#counted < LEAST_COST || this.#waiting !== undefined) return;
    const over = rounds.worked(this.#cost - this.#counted);
    this.#counted = this.#cost;
    if (this.#cost < TURN_COST && !over) return;
    this.#begin(rounds.turn);
    this.#reader.pause();
    this.#wait();
  }

  #wait(): void {
    this.#waiting = [];
    this.#bytes.pause();
    this.#rounds.wait(this.#resume);
  }

  #begin(turn: number): void {
    this.#turn = turn;
    this.#cost = this.#counted = 0;
  }

  readonly #resume = (): void => {
    const chunks = this.#waiting!;
    this.#waiting = undefined;
    // The turn may be over again before all are read.
    for (const chunk of chunks) if (!this.later(chunk)) this.#onChunk(chunk);
    if (this.#waiting !== undefined) return;
    this.#wentOn = this.#rounds.turn;
    this.#bytes.resume();
    this.#whenRead?.();
  };
}
