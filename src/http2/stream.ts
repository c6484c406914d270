import type { Borrower, UnreadLoan } from "./lender.ts";
import type { Stalled } from "./stalled-streams.ts";
import type { Queued } from "./stream-queue.ts";
import type { StreamWindow } from "./wire/flow.ts";

/**
 * A stream as both ends of a connection have it: its id, the content that it sends, and the window that it receives into.
 * What requests and responses are, and the states of RFC 9113 section 5.1, is for each end to add;
 * `client/stream.ts` is the example.
 */
export abstract class Stream implements Queued, Stalled, Borrower {
  /** The stream id, or 0 while it has none. */
  id = 0;
  // What is to be sent and waits for a window.
  outgoing: Uint8Array[] | undefined = undefined;
  outgoingAt = 0;
  outgoingBytes = 0;
  endAfterOutgoing = false;
  /** WINDOW_UPDATEs minus bytes sent: the send window without the peer's SETTINGS_INITIAL_WINDOW_SIZE. */
  sendCredit = 0;
  // Its places in a StreamQueue and in the sender's StalledStreams; -1: in none.
  queue: object | undefined = undefined;
  before: Queued | undefined = undefined;
  after: Queued | undefined = undefined;
  stalledAt = -1;
  /** Whether a `write` returned false since the last `onWritable`. */
  wantsRoom = false;
  receiveWindow: StreamWindow | undefined = undefined;
  /** What it holds on loan after its end, until that is read. */
  unreadLoan: UnreadLoan | undefined = undefined;
  /** END_STREAM came: the peer is done with the stream, so that there is nothing left to reset. */
  endReceived = false;

  /** END_STREAM is sent; only the sender calls it. */
  abstract endedLocally(): void;
  /** There is room again after a write that returned false. */
  onWritable(): void {}
}
