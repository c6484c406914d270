/** Where a service config is kept as JSON, such as a key of a registry. */
export interface ServiceConfigSource {
  /** What errors call it, such as its key. */
  readonly name?: string;
  /**
   * Yields what is there, now and at each change, until `signal` aborts. When it throws or ends, the last config stays
   * in use, and the consumer begins again after a backoff.
   */
  watch(signal: AbortSignal): AsyncIterable<ServiceConfigText>;
  /** Reads it once, for transports that don't watch. Rejects when it can't be read. */
  read?(signal: AbortSignal): Promise<ServiceConfigText>;
}

/** A service config in JSON; undefined: there is none; an Error: there is one that can't be read, and why. */
export type ServiceConfigText = string | Error | undefined;
