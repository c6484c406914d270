import type { Sender } from "./sender.ts";
import type { Stream } from "./stream.ts";
import { Http2Error } from "./wire/error.ts";
import * as ErrorCode from "./wire/error-code.ts";
import { MAX_WINDOW } from "./wire/frame.ts";
import type { PeerSettings } from "./wire/settings.ts";

/** What {@link SendWindows} needs from its endpoint. */
interface Sending {
  readonly peer: PeerSettings;
  readonly sender: Sender;
  readonly streams: { mostSendCredit(): number };
}

/** This many crumbs cost as much as one SETTINGS frame. */
const CRUMBS_PER_FRAME = 5;
/** The cost of looking at the windows of all streams, in SETTINGS frames. */
const LOOK_COST = 10;

/**
 * Applies SETTINGS_INITIAL_WINDOW_SIZE to all streams' send windows at once (RFC 9113 section 6.9.2), and counts what
 * that costs beyond the frame itself.
 */
export class SendWindows {
  readonly #endpoint: Sending;
  /** An upper bound of all streams' {@link Stream.sendCredit}. */
  #mostCredit = 0;
  /** How many of the sender's crumbs were already counted, or are due to a WINDOW_UPDATE. */
  #counted = 0;

  constructor(endpoint: Sending) {
    this.#endpoint = endpoint;
  }

  /** A WINDOW_UPDATE lets a stream send more: at least a crumb, which is no more work than the frame. */
  grew(stream: Stream): void {
    this.#counted++;
    this.#mostCredit = Math.max(this.#mostCredit, stream.sendCredit);
  }

  /** The cost of the crumbs since the last SETTINGS: a single frame can make every waiting stream send one byte. */
  crumbsCost(): number {
    const { crumbs } = this.#endpoint.sender;
    const cost = Math.max(0, crumbs - this.#counted) / CRUMBS_PER_FRAME;
    this.#counted = crumbs;
    return cost;
  }

  /**
   * Checks that no window exceeds 2³¹−1. The streams are looked at only if an upper bound of their windows does,
   * which requires a stream that once had more credit than any has now.
   *
   * @returns the cost of the check
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
