// Faults of registrations and watches.
import type { OldFault } from "../old-fault.ts";

export const ETCD_FAULTS: readonly OldFault[] = [
  {
    name: "each watch needs a stream of its own, and etcd allows too few",
    changes: [{
      file: "src/etcd/watch/watch-streams.ts",
      now: "if (fits && stream.size < watchesPerStream) return stream;",
      then: "if (fits && stream.size < Math.min(1, watchesPerStream)) return stream;",
    }],
  },
  {
    name: "the stampede on authentication: everybody asks at once, and again after a few seconds",
    changes: [{
      file: "src/etcd/client/client.ts",
      now: "queue: this.#alone ? undefined : queueName(endpoints, user.name),",
      then: "queue: queueName(endpoints, user.name) && undefined,",
    }, {
      file: "src/etcd/client/client-state.ts",
      now: "{ initial: 60_000, most: 120_000 }",
      then: "{ initial: 3_000, most: 3_000 }",
    }, {
      file: "src/etcd/client/client-state.ts",
      now: "{ initialMs: 1_000, maxMs: 40_000, factor: 2, jitter: 0.5 }",
      then: "{ initialMs: 100, maxMs: 2_000, factor: 2, jitter: 0.5 }",
    }],
  },
  {
    name: "each watch and each registration dials etcd at a pace of its own",
    changes: [{
      file: "src/etcd/driver/connect/connect-session.ts",
      now: "this.#opened === undefined && this.#backoff.waitMs(neededByMs) > 0",
      then: "this.#opened === undefined && this.#backoff.waitMs(neededByMs) < 0",
    }, {
      file: "src/etcd/driver/connect/request-driver.ts",
      now: "backoffMs: (endpoint, neededByMs) => sessions.backoff(endpoint).waitMs(neededByMs),",
      then: "backoffMs: () => 0,",
    }],
  },
  {
    name: "renewals of leases wait for a slow authentication",
    changes: [{
      file: "src/etcd/registration/leased-key.ts",
      now: "lingerMs: this.#ttlMs - timeoutMs, anyToken: true }",
      then: "lingerMs: 0 }",
    }],
  },
  {
    name: "a registration gives a slow etcd three seconds, however long its lease",
    changes: [{
      file: "src/etcd/registration/request-timeout.ts",
      now: "return Math.max(optionMs, Math.min(ttlMs / 2, LONGEST_REQUEST_MS));",
      then: "return Math.min(optionMs, LONGEST_REQUEST_MS + ttlMs);",
    }, {
      file: "src/etcd/registration/leased-key.ts",
      now: "lingerMs: this.#ttlMs - timeoutMs,",
      then: "",
    }],
  },
  {
    name: "the list is not read again after a cut, though etcd may have been restored",
    changes: [{ file: "src/etcd/watch/range-watch.ts", now: "this.#doubted = true;", then: "" }],
  },
  {
    name: "a registration does not look at its key after it has lost its connection",
    changes: [{
      file: "src/etcd/registration/key-looks.ts",
      now: "this.#losses++;\n    this.#dueAtMs = 0;",
      then: "this.#losses++;",
    }],
  },
  {
    name: "what a registration saw counts, though it lost its connection meanwhile",
    changes: [{
      file: "src/etcd/registration/key-looks.ts",
      now: "if (losses === this.#losses) this.#dueAtMs",
      then: "if (losses <= this.#losses) this.#dueAtMs",
    }],
  },
];
