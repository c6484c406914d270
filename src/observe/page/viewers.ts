import type { Clock, Timer } from "../../time/clock.ts";
import { difference } from "./difference.ts";
import type { PageState } from "./state.ts";

/** How many messages may be on their way to a browser that doesn't read them. */
const MOST_UNREAD = 2;
/** For how long. */
const STUCK_MS = 30_000;

/** What {@link Viewers} need. */
export interface ViewersOptions {
  /** The state now. */
  readonly state: () => PageState;
  readonly clock: Clock;
  /** How often a viewer gets what changed. */
  readonly intervalMs: number;
  /** How many there may be at a time. */
  readonly most: number;
}

/** The browsers and programs that read `events`. Without any there is no timer. */
export class Viewers {
  readonly #options: ViewersOptions;
  readonly #viewers = new Set<Viewer>();

  constructor(options: ViewersOptions) {
    this.#options = options;
  }

  /** How many there are. */
  get size(): number {
    return this.#viewers.size;
  }

  /** The server-sent events for another one, until it cancels them; undefined if there are as many as may be. */
  open(): ReadableStream<Uint8Array<ArrayBuffer>> | undefined {
    if (this.#viewers.size >= this.#options.most) return undefined;
    const viewer: Viewer = new Viewer(this.#options, () => this.#viewers.delete(viewer));
    this.#viewers.add(viewer);
    return viewer.stream;
  }

  /** Ends all streams. */
  close(): void {
    for (const viewer of this.#viewers) viewer.end();
  }
}

/**
 * One reader: it gets the whole state first, then what changed since it last got something. While it doesn't read,
 * nothing is added.
 */
class Viewer {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #options: ViewersOptions;
  readonly #ended: () => void;
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
  #sent: PageState | undefined;
  #sentMs: number;
  /** Its own: in workerd a timer belongs to the request that set it. */
  #timer: Timer | undefined;

  constructor(options: ViewersOptions, ended: () => void) {
    this.#options = options;
    this.#ended = ended;
    this.#sentMs = options.clock.now();
    this.stream = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
        this.#send();
        this.#wait();
      },
      cancel: () => this.end(),
    }, { highWaterMark: MOST_UNREAD });
  }

  end(): void {
    const controller = this.#controller;
    this.#controller = undefined;
    this.#timer?.cancel();
    this.#ended();
    try {
      controller?.close();
    } catch {
      // Its reader has left.
    }
  }

  #wait(): void {
    const { clock, intervalMs } = this.#options;
    this.#timer = clock.timer(intervalMs, () => {
      this.#send();
      if (this.#controller !== undefined) this.#wait();
    });
  }

  #send(): void {
    const { clock, state } = this.#options, nowMs = clock.now();
    if ((this.#controller?.desiredSize ?? 0) <= 0) {
      if (nowMs - this.#sentMs > STUCK_MS) this.end();
      return;
    }
    const after = state(), before = this.#sent;
    // The state may be a moment old, and the same as before.
    if (after === before) return;
    this.#controller?.enqueue(
      before === undefined ? message("state", after) : message("change", difference(before, after)),
    );
    this.#sent = after;
    this.#sentMs = nowMs;
  }
}

const encoder = new TextEncoder();

function message(event: string, data: object): Uint8Array<ArrayBuffer> {
  return encoder.encode(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}
