import { Bandwidth } from "./bandwidth.ts";
import type { Clock } from "../time/clock.ts";
import type { ResolvedHttp2Limits } from "./limits.ts";
import type { StreamWindow } from "./wire/flow.ts";
import type { FrameWriter } from "./wire/frame-writer.ts";

/** What the lender needs from a stream. */
export interface Borrower {
  readonly id: number;
  readonly receiveWindow: StreamWindow | undefined;
  readonly endReceived: boolean;
  /** What it still holds on loan after it ended, until that is read. */
  unreadLoan: UnreadLoan | undefined;
}

/** Bytes lent by all connections of this process. */
export const processLoans: { bytes: number } = { bytes: 0 };

/** A smaller loan isn't worth its frame unless it is all that is needed. */
const LEAST_LOAN_BYTES = 16 * 1024;

type LenderLimits = Pick<ResolvedHttp2Limits, "maxLentBytes" | "maxProcessLentBytes">;

/**
 * Sizes the receive windows of a connection's streams. Each stream has a small base window. More is lent, up to a limit
 * per connection and one per process, to streams that are read as fast as data arrives (as much as the bandwidth-delay
 * product requires) and to streams whose reader waits for a whole message. A loan is repaid as its bytes are read: the
 * peer gets no further credit for them. It is never lost: what an ended stream still holds counts until it is read or
 * collected.
 */
export class Lender {
  readonly #limits: LenderLimits;
  readonly #writer: FrameWriter;
  readonly #bandwidth: Bandwidth;
  #lent = 0;

  constructor(limits: LenderLimits, clock: Clock, writer: FrameWriter) {
    this.#limits = limits;
    this.#writer = writer;
    this.#bandwidth = new Bandwidth(clock, writer);
  }

  /** What the streams of this connection have on loan. */
  get lentBytes(): number {
    return this.#lent;
  }

  /** DATA arrived. */
  received(bytes: number): void {
    this.#bandwidth.received(bytes);
  }

  /** Whether an acknowledged PING was one of the lender's. */
  pinged(payload: Uint8Array, start: number): boolean {
    return this.#bandwidth.answered(payload, start);
  }

  /** A stream's reader took bytes: its window is renewed once half of it was taken (RFC 9113 section 6.9). */
  consumed(stream: Borrower, bytes: number): void {
    const window = stream.receiveWindow;
    if (window === undefined || !window.take(bytes) || stream.endReceived) return;
    let loan = 0;
    if (this.#limits.maxLentBytes > 0) {
      this.#bandwidth.use();
      // At most twice what its reader has taken so far: a stream that is opened and never read gets nothing.
      loan = this.#allowed(window, Math.min(this.#bandwidth.bytes - window.base, 2 * window.read));
    }
    const before = window.loan;
    const increment = window.renew(window.base + loan);
    this.count(window.loan - before);
    if (increment > 0) this.#writer.windowUpdate(stream.id, increment);
  }

  /** The reader waits for a message of which this many bytes are missing: they may arrive at once. */
  expects(stream: Borrower, bytes: number): void {
    const window = stream.receiveWindow;
    if (window === undefined || stream.endReceived || bytes <= window.left) return;
    const missing = bytes - window.left;
    const loan = this.#allowed(window, window.loan + missing) - window.loan;
    if (loan < Math.min(missing, LEAST_LOAN_BYTES)) return;
    this.count(loan);
    this.#writer.windowUpdate(stream.id, window.lend(loan));
  }

  /** The stream ended: its loan is repaid, except for what its reader has not taken. */
  closed(stream: Borrower): void {
    const window = stream.receiveWindow;
    if (window === undefined || window.loan === 0) return;
    const { base, loan, unread } = window;
    this.count(-loan);
    if (unread > base) stream.unreadLoan = new UnreadLoan(this, stream, unread, base);
  }

  /** Counts a loan, or a repayment if negative. */
  count(bytes: number): void {
    this.#lent += bytes;
    processLoans.bytes += bytes;
  }

  /** How large a stream's loan may become: up to half of what it has and what is left, so that others get a share. */
  #allowed({ loan }: StreamWindow, wanted: number): number {
    const { maxLentBytes, maxProcessLentBytes } = this.#limits;
    const left = Math.min(maxLentBytes - this.#lent, maxProcessLentBytes - processLoans.bytes);
    return Math.max(0, Math.min(wanted, Math.floor((loan + left) / 2)));
  }
}

/** Repays the loans of ended streams that were not read to the end and that nothing can read any more. */
const collected = typeof FinalizationRegistry === "undefined"
  ? undefined
  : new FinalizationRegistry<UnreadLoan>((loan) => loan.read(Infinity));

/** What an ended stream holds beyond its base window. */
export class UnreadLoan {
  readonly #lender: Lender;
  readonly #base: number;
  #unread: number;

  constructor(lender: Lender, stream: Borrower, unread: number, base: number) {
    this.#lender = lender;
    this.#unread = unread;
    this.#base = base;
    lender.count(this.#bytes);
    collected?.register(stream, this);
  }

  /** The reader took bytes. */
  read(bytes: number): void {
    this.#lender.count(-this.#bytes);
    this.#unread = Math.max(0, this.#unread - bytes);
    this.#lender.count(this.#bytes);
  }

  get #bytes(): number {
    return Math.max(0, this.#unread - this.#base);
  }
}
