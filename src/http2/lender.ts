import { Bandwidth } from "./bandwidth.ts";
import type { Clock } from "../time/clock.ts";
import type { ResolvedHttp2Limits } from "./limits.ts";
import type { StreamWindow } from "./wire/flow.ts";
import type { FrameWriter } from "./wire/frame-writer.ts";

/** What the lender needs of a stream. */
export interface Borrower {
  readonly id: number;
  readonly receiveWindow: StreamWindow | undefined;
  readonly endReceived: boolean;
  /** What it holds on loan after its end, until that is read. */
  unreadLoan: UnreadLoan | undefined;
}

/** What all connections of this process have lent. */
export const processLoans: { bytes: number } = { bytes: 0 };

/** A smaller loan isn't worth its frame unless it is all that is asked for. */
const LEAST_LOAN_BYTES = 16 * 1024;

type LenderLimits = Pick<ResolvedHttp2Limits, "maxLentBytes" | "maxProcessLentBytes">;

/**
 * The windows of a connection's streams. Each stream may always send its own, small one. More is lent to those that are
 * read as fast as they come, as much as bandwidth × delay wants, and to those of which a whole message is waited for; up
 * to a bound of the connection and one of the process. A loan comes back as its bytes are read: the peer is then allowed
 * no more for them. It is never lost: what a stream that has ended still holds counts until it is read or collected.
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

  /** DATA came. */
  received(bytes: number): void {
    this.#bandwidth.received(bytes);
  }

  /** Whether an acknowledged PING was one of the lender's. */
  pinged(payload: Uint8Array, start: number): boolean {
    return this.#bandwidth.answered(payload, start);
  }

  /** A stream's reader took bytes: its window grows again when half of it was taken (RFC 9113 section 6.9). */
  consumed(stream: Borrower, bytes: number): void {
    const window = stream.receiveWindow;
    if (window === undefined || !window.take(bytes) || stream.endReceived) return;
    let loan = 0;
    if (this.#limits.maxLentBytes > 0) {
      this.#bandwidth.use();
      // No more than twice what its reader took yet: a stream that is opened and left gets nothing.
      loan = this.#allowed(window, Math.min(this.#bandwidth.bytes - window.base, 2 * window.read));
    }
    const before = window.loan;
    const increment = window.renew(window.base + loan);
    this.count(window.loan - before);
    if (increment > 0) this.#writer.windowUpdate(stream.id, increment);
  }

  /** The reader waits for a message of which so many bytes are missing: they may come at once. */
  expects(stream: Borrower, bytes: number): void {
    const window = stream.receiveWindow;
    if (window === undefined || stream.endReceived || bytes <= window.left) return;
    const missing = bytes - window.left;
    const loan = this.#allowed(window, window.loan + missing) - window.loan;
    if (loan < Math.min(missing, LEAST_LOAN_BYTES)) return;
    this.count(loan);
    this.#writer.windowUpdate(stream.id, window.lend(loan));
  }

  /** The stream has ended: what it has on loan comes back, but for what its reader has not taken. */
  closed(stream: Borrower): void {
    const window = stream.receiveWindow;
    if (window === undefined || window.loan === 0) return;
    const { base, loan, unread } = window;
    this.count(-loan);
    if (unread > base) stream.unreadLoan = new UnreadLoan(this, stream, unread, base);
  }

  /** Counts a loan; negative: one that came back. */
  count(bytes: number): void {
    this.#lent += bytes;
    processLoans.bytes += bytes;
  }

  /** How much of a loan a stream may have: up to half of what it has and what is left, so that others get some, too. */
  #allowed({ loan }: StreamWindow, wanted: number): number {
    const { maxLentBytes, maxProcessLentBytes } = this.#limits;
    const left = Math.min(maxLentBytes - this.#lent, maxProcessLentBytes - processLoans.bytes);
    return Math.max(0, Math.min(wanted, Math.floor((loan + left) / 2)));
  }
}

/** Ends the loans of streams that ended, were not read to the end, and that nobody can read any more. */
const collected = typeof FinalizationRegistry === "undefined"
  ? undefined
  : new FinalizationRegistry<UnreadLoan>((loan) => loan.read(Infinity));

/** What an ended stream holds beyond the window that every stream has. */
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
