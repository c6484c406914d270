// Faults of calls, and of who gets the room that there is.
import type { OldFault } from "../old-fault.ts";

export const CALL_FAULTS: readonly OldFault[] = [
  {
    name: "calls stuck behind a full connection",
    changes: [{
      file: "src/connection/linked-connection.ts",
      now: "return room !== undefined && room <= this.promised;",
      then: "return room === NaN;",
    }, {
      file: "src/grpc/link/grpc-link.ts",
      now: "...this.#events.room !== undefined && { room: () => this.#hasRoom(connection) },",
      then: "",
    }],
  },
  {
    name: "a connection that becomes ready takes new calls before those in line",
    changes: [{
      file: "src/connection/pool.ts",
      now: "if (connection.available) this.#options.onRoom?.(connection);",
      then: "",
    }],
  },
  {
    name: "a new call takes the room that those in line are about to get",
    changes: [{
      file: "src/balancer/waiting-calls.ts",
      now: "if (this.serving && call.wantsConnection) this.#latecomers.push(call);",
      then: "if (this.serving && call === undefined) this.#latecomers.push(call);",
    }, {
      file: "src/call/picking-call.ts",
      now: "if (this.env.balancer.serving) return undefined;",
      then: "",
    }],
  },
  {
    name: "calls that wait for a busy server give up after ten seconds",
    changes: [{ file: "src/balancer/balancer.ts", now: "if (this.full) return waitTimeoutMs;", then: "" }],
  },
  {
    name: "a further connection that ends is not replaced, and calls wait for its room",
    changes: [{
      file: "src/grpc/link/further-connections.ts",
      now:
        "if (this.#clock.now() - open.sinceMs < HEALTHY_MS) return this.#lookLater();\n    this.#backoff.reset();\n    this.look();",
      then: "",
    }],
  },
  {
    name: "poison calls: one that makes a server end its connection is tried on the next server",
    changes: [{
      file: "src/http2/client/stream-error.ts",
      now: 'return BLAMING.has(code) && !debug.includes("too_many_pings");',
      then: "return BLAMING === undefined;",
    }],
  },
  {
    name: "calls in flight end with their endpoint's registration",
    changes: [{
      file: "src/connection/pool.ts",
      now: "connection.remove(REMOVED_GRACE_MS, this.#streamGraceMs, ",
      then: "connection.remove(0, 0, ",
    }],
  },
  {
    name: "a stream whose caller aborts counts as in flight until someone reads it",
    changes: [{
      file: "src/call/stream-call.ts",
      now: "this.#abort.abort(this.signal!.reason);\n    this.#reportAbort();",
      then: "this.#abort.abort(this.signal!.reason);",
    }, {
      file: "src/call/stream-end.ts",
      now: "if (reportsEnd(iterator)) {",
      then: "if (reportsEnd(iterator) && iterator === undefined) {",
    }],
  },
  {
    name: "a stream that fails before it is read ends the process",
    changes: [{ file: "src/transport/calls.ts", now: "response.catch(() => {});", then: "" }],
  },
  {
    name: "a connection that is lost as the deadline passes makes its calls unavailable",
    changes: [{
      file: "src/call/call.ts",
      now: "if (this.timeLeftMs() <= (codeOf(error) === Code.Canceled ? EARLY_MS : 0)) return this.deadlineExceeded();",
      then: "",
    }, {
      file: "src/grpc/client/status.ts",
      now: 'return error.by !== "stream" && leftMs <= 0;',
      then: "return false;",
    }],
  },
];
