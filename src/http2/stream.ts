import type { Borrower, UnreadLoan } from "./lender.ts";
import type { Stalled } from "./stalled-streams.ts";
import type { Queued } from "./stream-queue.ts";
import type { StreamWindow } from "./wire/flow.ts";

/**
 * A stream as both ends of a connection know it: its id, the content it sends, and the window it receives into. Each
 * end adds requests and responses, and the states of RFC 9113 section 5.1: `client/stream.ts` is the example.
 */
export abstract class Stream implements Queued, Stalled, Borrower {
  /** The stream id, or 0 before it has one. */
  id = 0;
  // Content that waits to be sent.
  outgoing: Uint8Array[] | undefined = undefined;
  /** Whether all of it are copies that the sender made. */
  outgoingCopied = false;
  outgoingAt = 0;
  outgoingBytes = 0;
  endAfterOutgoing = false;
  /** WINDOW_UPDATEs minus bytes sent: the send window without the peer's SETTINGS_INITIAL_WINDOW_SIZE. */
  sendCredit = 0;
  /** How many writes the connection had made when it last sent content without a wait. */
  sentAt = -1;
  // Its places in a StreamQueue and in the sender's StalledStreams; -1 if it is not stalled.
  queue: object | undefined = undefined;
  before: Queued | undefined = undefined;
  after: Queued | undefined = undefined;
  stalledAt = -1;
  /** Whether a `write` returned false since the last `onWritable`. */
  wantsRoom = false;
  receiveWindow: StreamWindow | undefined = undefined;
  /** What it still holds on loan after it ended, until that is read. */
  unreadLoan: UnreadLoan | undefined = undefined;
  /** END_STREAM was received: the peer is done with the stream, so there is nothing left to reset. */
  endReceived = false;

  /** END_STREAM was sent. Called only by the sender. */
  abstract endedLocally(): void;
  /** There is room again after a write that returned false. */
  onWritable(): void {}
  /** All content that waited was sent, and END_STREAM was not among it. Called only by the sender. */
  onDrained(): void {}
}
