import type { Sender } from "./sender.ts";
import type { Stream } from "./stream.ts";
import { ErrorCode, Http2Error } from "./wire/error.ts";
import { MAX_WINDOW } from "./wire/frame.ts";
import type { PeerSettings } from "./wire/settings.ts";

/** What is needed here of an end of a connection. */
interface Sending {
  readonly peer: PeerSettings;
  readonly sender: Sender;
  readonly streams: { mostSendCredit(): number };
}

/** So many crumbs cost as much as a frame of SETTINGS. */
const CRUMBS_PER_FRAME = 5;
/** What a look at the windows of all streams costs, in such frames. */
const LOOK_COST = 10;

/**
 * What SETTINGS_INITIAL_WINDOW_SIZE does to all streams' send windows at once (RFC 9113 section 6.9.2), and what that
 * costs beyond the frame itself.
 */
export class SendWindows {
  readonly #endpoint: Sending;
  /** No stream's {@link Stream.sendCredit} is larger. */
  #mostCredit = 0;
  /** How many of the sender's crumbs were counted, or are a WINDOW_UPDATE's. */
  #counted = 0;

  constructor(endpoint: Sending) {
    this.#endpoint = endpoint;
  }

  /** WINDOW_UPDATE let a stream send more: a crumb at least, which is no more work than the frame. */
  grew(stream: Stream): void {
    this.#counted++;
    this.#mostCredit = Math.max(this.#mostCredit, stream.sendCredit);
  }

  /** The cost of the crumbs since the last SETTINGS: one frame can have every stream that waits send a byte. */
  crumbsCost(): number {
    const { crumbs } = this.#endpoint.sender;
    const cost = Math.max(0, crumbs - this.#counted) / CRUMBS_PER_FRAME;
    this.#counted = crumbs;
    return cost;
  }

  /**
   * No window may become larger than 2³¹−1. The streams are looked at only where the bound of all their credits can't
   * tell; that takes a stream which had more credit than any has now.
   *
   * @returns what it cost
   * @throws Http2Error FLOW_CONTROL_ERROR
   */
  check(): number {
    const { peer: { initialWindowSize }, streams } = this.#endpoint;
    if (initialWindowSize + this.#mostCredit <= MAX_WINDOW) return 0;
    this.#mostCredit = streams.mostSendCredit();
    if (initialWindowSize + this.#mostCredit <= MAX_WINDOW) return LOOK_COST;
    throw new Http2Error(ErrorCode.FLOW_CONTROL_ERROR, "SETTINGS made a stream's window overflow");
  }
}
