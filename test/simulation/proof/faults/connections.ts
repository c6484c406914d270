// Faults of connections: when they are opened, given up and replaced.
import type { OldFault } from "../old-fault.ts";

export const CONNECTION_FAULTS: readonly OldFault[] = [
  {
    name: "the picker is replaced after the old connection is let go",
    changes: [{
      file: "src/connection/pool.ts",
      now: "const removed = this.#reconcile();",
      then:
        "const removed = this.#reconcile();\n    for (const connection of removed.splice(0)) this.#release(connection);",
    }],
  },
  {
    name: "backoff is not reset by a connection that did its work",
    changes: [{
      file: "src/connection/stateful-connection.ts",
      now: "this.backoff.reset();",
      then: "",
    }],
  },
  {
    name: "backoff goes on although the server was started anew",
    changes: [{
      file: "src/connection/endpoint-connection.ts",
      now: "this.backoff.reset();\n      this.retry();",
      then: "",
    }, {
      file: "src/connection/endpoint-connection.ts",
      now: "this.update(endpoint);\n    this.retry();",
      then: "this.update(endpoint);",
    }],
  },
  {
    name: "a connection that its server soon ends for lack of calls counts as one that failed",
    changes: [{
      file: "src/connection/stateful-connection.ts",
      now: "const enoughMs = cause === undefined ? ENDED_CLEANLY_MS : HEALTHY_MS;",
      then: "const enoughMs = HEALTHY_MS;",
    }],
  },
  {
    name: "the end of a connection that was replaced is taken for that of the new one",
    changes: [{
      file: "src/grpc/link/grpc-link.ts",
      now: "if (this.#announced === connection && !(",
      then: "if (!(",
    }],
  },
];
