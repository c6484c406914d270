import type { ScheduleFlush } from "../http2/wire/frame-writer.ts";
import type { Http1Answer, Http1Server, Listen } from "../socket/listener.ts";

/** What a server needs of its runtime. */
export interface ServerRuntime<Tls> {
  readonly listen: Listen<Tls>;
  readonly scheduleFlush: ScheduleFlush | undefined;
  readonly scheduleStreamFlush: ScheduleFlush | undefined;
  /** Runs something in the event loop's next turn. */
  readonly nextTurn: ((run: () => void) => void) | undefined;
  /** Makes what serves HTTP/1.1, if the runtime can. */
  readonly http1: ((answer: Http1Answer) => Http1Server) | undefined;
  /** Defaults to `Math.random`. */
  readonly random?: () => number;
}
