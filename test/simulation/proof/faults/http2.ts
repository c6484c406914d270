// Faults of HTTP/2.
import type { OldFault } from "../old-fault.ts";

export const HTTP2_FAULTS: readonly OldFault[] = [
  {
    name: "keepalive is blind to short calls",
    changes: [{
      file: "src/http2/keepalive.ts",
      now: "if (this.asking || !this.#started) return;",
      then: "if (this.asking || !this.#started) return;\n    this.#heardAt = this.#host.clock.now();",
    }],
  },
  {
    name: "the first call after a long silence does not wait for a ping's answer",
    changes: [{
      file: "src/http2/keepalive.ts",
      now: "else if (this.#leftMs() <= 0) return this.#ask();",
      then: "else if (this.#leftMs() <= 0) this.#ask();",
    }, {
      file: "src/http2/client/connection.ts",
      now: 'return this.#state === "ready" && this.#keepalive?.asking !== true;',
      then: 'return this.#state === "ready";',
    }],
  },
  {
    name: "a GOAWAY ends calls before the connection stops taking new ones",
    changes: [{
      file: "src/http2/client/connection.ts",
      now: "this.drain(cause, errorCodeName(code));\n    if (!this.#wentAway)",
      then: "if (!this.#wentAway)",
    }, {
      file: "src/http2/client/connection.ts",
      now: "if (cause !== undefined && this.whyDraining === cause &&",
      then: "this.drain(cause, errorCodeName(code));\n    if (cause !== undefined && this.whyDraining === cause &&",
    }],
  },
];
