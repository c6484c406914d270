import type { TestContext } from "node:test";
import { Flag, FrameType, Setting } from "../support/raw-http2/frame.ts";
import { startRawServer } from "../support/raw-http2/server.ts";
import type { RawSession } from "../support/raw-http2/session.ts";

/** A server that allows so many concurrent streams, and answers a request only when the test says so. */
export interface LimitedServer {
  readonly address: string;
  readonly sessions: readonly RawSession[];
  /** What the requests said that are not answered yet, in the order in which they came. */
  waiting(): string[];
  /** Answers the oldest request, or the one that said `data`. */
  answer(data?: string): void;
  /** The most that were in flight at the same time on one connection. */
  most(): number;
  /** Asks for no further call on a connection, the oldest being 0. */
  goAway(connection: number): void;
  /** Says another limit on all connections. */
  allow(streams: number): void;
}

interface Request {
  readonly session: RawSession;
  readonly id: number;
  readonly data: string;
}

export async function limitedServer(t: TestContext, streams: number): Promise<LimitedServer> {
  const open: Request[] = [];
  let most = 0;
  const close = (request: Request) => open.splice(open.indexOf(request), 1);
  const server = await startRawServer(async (session) => {
    await session.handshake([[Setting.maxConcurrentStreams, streams]]);
    void session.left().then(() => {
      for (const request of open.filter((request) => request.session === session)) close(request);
    });
    for (;;) {
      const frame = await session.read();
      if (frame.type === FrameType.data && (frame.flags & Flag.endStream) !== 0) {
        // Behind the prefix of a gRPC message and the tag and length of its one field.
        const data = new TextDecoder().decode(frame.payload.subarray(7));
        open.push({ session, id: frame.streamId, data });
        most = Math.max(most, open.filter((request) => request.session === session).length);
      } else if (frame.type === FrameType.rstStream) {
        for (const request of open.filter(({ id }) => id === frame.streamId)) {
          if (request.session === session) close(request);
        }
      }
    }
  });
  t.after(() => server.close());
  return {
    address: server.address,
    sessions: server.sessions,
    waiting: () => open.map(({ data }) => data),
    answer(data) {
      const request = open.find((request) => data === undefined || request.data === data);
      if (request === undefined) throw new Error(`there is no request ${data ?? ""}`);
      close(request);
      request.session.respond(request.id, { messages: [new Uint8Array(0)] });
    },
    most: () => most,
    goAway: (connection) => server.sessions[connection]!.goaway(0x7fff_ffff),
    allow(streams) {
      for (const session of server.sessions) session.settings([[Setting.maxConcurrentStreams, streams]]);
    },
  };
}
