// Servers that do what HTTP/2 allows and few do.
import { ErrorCode, FrameType, Setting } from "../../support/raw-http2/frame.ts";
import { envelope, OK_HEADERS, type RawSession } from "../../support/raw-http2/session.ts";
import type { LedgerWriter } from "../ledger.ts";
import { response, serveEcho } from "./echo.ts";

/** What a server does on one of its connections. */
export type Peer = (session: RawSession, ledger: LedgerWriter) => Promise<void>;

const CALLS_PER_CONNECTION = 100;

/** Says GOAWAY with the 100th call of each connection, does nothing with later ones, and ends it after the last answer. */
export const goaway: Peer = async (session, ledger) => {
  await session.handshake();
  let admitted = 0, open = 0;
  const endIfDone = () => {
    if (admitted === CALLS_PER_CONNECTION && open === 0) session.end();
  };
  await serveEcho({
    session,
    ledger,
    admit(streamId) {
      if (admitted === CALLS_PER_CONNECTION) {
        ledger.event("ignored");
        return false;
      }
      open++;
      if (++admitted === CALLS_PER_CONNECTION) {
        session.goaway(streamId);
        ledger.event("goaway");
      }
      return true;
    },
    answered() {
      open--;
      endIfDone();
    },
  });
};

/** Refuses every third stream. */
export const refuse: Peer = async (session, ledger) => {
  await session.handshake();
  let streams = 0;
  await serveEcho({
    session,
    ledger,
    admit(streamId) {
      if (++streams % 3 !== 0) return true;
      session.rst(streamId, ErrorCode.refusedStream);
      ledger.event("refused");
      return false;
    },
  });
};

const MOST_STREAMS = 10;

/** Allows 10 streams at a time, says so, and refuses more. */
export const limit: Peer = async (session, ledger) => {
  await session.handshake([[Setting.maxConcurrentStreams, MOST_STREAMS]]);
  let open = 0;
  await serveEcho({
    session,
    ledger,
    admit(streamId) {
      if (open < MOST_STREAMS) {
        open++;
        return true;
      }
      session.rst(streamId, ErrorCode.refusedStream);
      ledger.event("above the limit");
      return false;
    },
    answered() {
      open--;
    },
  });
};

/** Answers every stream with a message every 200 ms until it is reset, and counts resets by no limit. */
export const endless: Peer = async (session, ledger) => {
  await session.handshake();
  const open = new Map<number, ReturnType<typeof setInterval>>();
  const message = envelope(response("endless"));
  try {
    for (;;) {
      const { type, streamId } = await session.read();
      if (type === FrameType.headers) {
        session.headers(streamId, OK_HEADERS);
        session.data(streamId, message);
        open.set(streamId, setInterval(() => session.data(streamId, message), 200));
      } else if (type === FrameType.rstStream && open.has(streamId)) {
        clearInterval(open.get(streamId));
        open.delete(streamId);
        ledger.event("given up");
      }
    }
  } finally {
    for (const timer of open.values()) clearInterval(timer);
  }
};
