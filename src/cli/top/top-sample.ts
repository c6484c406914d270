/** One endpoint at one moment, as far as its source can see it. */
export interface TopRow {
  readonly endpoint: string;
  /** What resolves to it, if the source has several. */
  readonly service?: string;
  /** gRPC's connectivity state. */
  readonly state: string;
  /** What health checks say; undefined if nothing asks. */
  readonly health?: string;
  readonly inFlight?: number;
  readonly callsPerSecond?: number;
  readonly errorsPerSecond?: number;
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  readonly zone?: string;
  readonly weight?: number;
  /** Why it can't be reached, or gets no calls. */
  readonly why?: string;
}

/** All endpoints at one moment. */
export interface TopSample {
  readonly rows: readonly TopRow[];
  /** Why it may not be what is now: etcd, or a program, that can't be reached. */
  readonly stale?: string;
}

/** Where samples come from. */
export interface TopSource {
  /** What its figures are about, in a line. */
  readonly title: string;
  /** Takes a sample, which may take until `signal` aborts. The first one has no rates. */
  sample(signal: AbortSignal): Promise<TopSample>;
  close(): Promise<void>;
}
