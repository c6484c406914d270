// What was added later is optional, so that plans that were saved stay valid.

/** A server of a world. */
export interface ServerPlan {
  readonly address: string;
  /** The mean time that a call takes; 0: it is answered at once. */
  readonly workMs: number;
  /**
   * Calls that take time are answered together, at whole multiples of this, and not given up when their callers do;
   * undefined: each at a time of its own.
   */
  readonly answersEveryMs?: number | undefined;
  readonly maxConcurrentStreams: number;
  readonly maxConnectionAgeMs: number | undefined;
  readonly maxConnectionIdleMs: number | undefined;
  /** How much it accepts at once on a connection; undefined: the default. */
  readonly windowBytes?: number | undefined;
  readonly ttlSeconds: number;
  /** Whether its answers carry load reports. */
  readonly reportsLoad?: boolean;
  /** How long a drain may take. */
  readonly drainMs?: number;
}

/** A client of a world. */
export interface ClientPlan {
  readonly name: string;
  /** One of `world/policies.ts`. */
  readonly policy: string;
  readonly callsPerSecond: number;
  /** How many calls it makes at the same moment; undefined: one. */
  readonly callsAtOnce?: number;
  /** The most calls in flight: further ones aren't begun. */
  readonly mostInFlight: number;
  /** Which of the kinds of calls it makes. */
  readonly kinds: readonly ("read" | "write" | "list" | "chat")[];
  readonly timeoutMs: number;
  /** How long a call waits for a connection; undefined: the default. */
  readonly waitTimeoutMs?: number | undefined;
  /** The share of calls that their caller gives up early. */
  readonly givesUp: number;
  /** Whether the caller who gives one up makes another at the same moment, as those who search while somebody types. */
  readonly asksAnew?: boolean;
  /** Whether its calls have an observer, from whom some invariants hear of them; undefined: half of the clients. */
  readonly observed?: boolean;
  readonly retry: boolean;
  readonly hedge: boolean;
  readonly ejects: boolean;
  readonly waitForReady: boolean;
  readonly connections: number;
  readonly maxAgeMs: number | undefined;
  readonly keepaliveMs: number;
  /** How much it accepts at once on a connection; undefined: the default. */
  readonly windowBytes?: number | undefined;
  readonly maxInFlight?: number | undefined;
  readonly maxInFlightPerEndpoint?: number | undefined;
}

/** Something that goes wrong, by the name of its kind, with its numbers. */
export interface FaultPlan {
  readonly kind: string;
  readonly atMs: number;
  /** When it is over. */
  readonly untilMs: number;
  /** Whom it hits: an address, or a client's name. */
  readonly who: string;
  readonly size: number;
}

/** All that happens in a run; plain data, so that it can be written down and made smaller. */
export interface Plan {
  readonly seed: number;
  /** When the last fault is over and no more calls are made. */
  readonly durationMs: number;
  /** Whether there are many calls and faults in a short time. */
  readonly busy?: boolean;
  readonly latencyMs: number;
  readonly jitterMs: number;
  /** Whether the clients find the servers in etcd. */
  readonly etcd: boolean;
  /** How many more services clients follow, of which the first server is one. */
  readonly followed?: number;
  /** How many requests etcd takes at a time on a connection, watches included. */
  readonly etcdStreams?: number;
  /** Etcd asks for a user. */
  readonly etcdUsers?: {
    /** A token lives so long without being used. */
    readonly tokenTtlMs: number;
    /** How long etcd takes to check a password, one after another: also as if many others asked. */
    readonly checkMs?: number;
    /** Leases are renewed without a valid token, as by etcd 3.4 and unlike 3.6. */
    readonly renewsForAll?: boolean;
  } | undefined;
  /** The clients find the servers by DNS, whose answers live so long. Without this and etcd, they know them. */
  readonly dnsTtlMs?: number | undefined;
  readonly servers: readonly ServerPlan[];
  readonly clients: readonly ClientPlan[];
  readonly faults: readonly FaultPlan[];
}
