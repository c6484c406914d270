/** What a program does with etcd's registry, in one of the ways that are compared. */
export interface RegistryContender {
  /** Reads a service of 10,000 endpoints; resolves when the first call could be made. */
  list(service: string): Promise<Listed>;
  /** Follows the service from then on; resolves when `address`, which is written last, is there. */
  follow(service: string, address: string): Following;
  /** Registers so many servers; resolves when all are registered. */
  register(count: number, ttlSeconds: number): Promise<void>;
  close(): Promise<void>;
}

export interface Listed {
  readonly endpoints: number;
  readonly tookMs: number;
}

export interface Following {
  /** Settles when the watch stands. */
  readonly open: Promise<void>;
  readonly done: Promise<Followed>;
}

export interface Followed {
  /** When the last event was in the set, on `Date.now()`'s scale. */
  readonly atMs: number;
  readonly endpoints: number;
  /** When each picker was built since the burst began, on `performance.now()`'s scale; undefined where there are none. */
  readonly rebuildsMs?: readonly number[];
}
