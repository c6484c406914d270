import type { EtcdClient } from "../client/client.ts";
import type { AttemptContext, ResponseHeader, WatchRequest, WatchResponse } from "../driver/driver.ts";
import type { EtcdError } from "../driver/failure.ts";

/** A response to a progress request, except for the header. */
export const PROGRESS = {
  watchId: -1n,
  created: false,
  canceled: false,
  compactRevision: 0n,
  cancelReason: "",
  fragment: false,
  events: [],
} as const;

/** The stream of watches to probe. */
export interface LifeSignsOptions {
  readonly client: EtcdClient;
  readonly context: AttemptContext;
  /** Its open watches. */
  watches(): readonly Pick<WatchRequest, "key" | "startRevision">[];
  /** Requests its progress. The caller reports the response with `progress`. */
  requestProgress(): void;
  /**
   * The path to etcd works: a read was answered, and is passed on as the response to a progress request with the header
   * of the store behind it; or the read was refused.
   */
  heard(progress?: WatchResponse): void;
  /** etcd no longer accepts the stream's token. */
  failed(cause: EtcdError): void;
}

/**
 * Probes whether a stream of watches is alive: with progress requests, or with a read if those go unanswered. etcd's
 * grpc-proxy never answers them. Newer versions of etcd (3.5.35, 3.6.16 and 3.7.3 among them) don't while any watch
 * starts at a future revision, that is, until something is written after its list.
 */
export class LifeSigns {
  readonly #options: LifeSignsOptions;
  /** The newest revision seen. */
  #revision = 0n;
  /** Whether the server also reports progress to watches that have not begun. */
  #answersEarly = false;

  constructor(options: LifeSignsOptions) {
    this.#options = options;
  }

  /** A response arrived on the stream. */
  seen({ revision }: ResponseHeader): void {
    if (revision > this.#revision) this.#revision = revision;
  }

  /** The stream reported its progress. */
  progress(): void {
    this.#answersEarly ||= !this.#begun;
  }

  /** Probes etcd itself; `times` counts the probes since the last sign of life. */
  ask(times: number): void {
    this.#options.requestProgress();
    if (times > 1 && !this.#answersEarly && !this.#begun) this.read();
  }

  /** Reads a key that one of the watches may read. */
  read(): void {
    const { client, context, watches, heard, failed } = this.#options;
    const [watch] = watches();
    if (watch === undefined) return;
    client.driver.range({ key: watch.key }, context).then(({ header }) => {
      // If this shows that the watches have begun, the next sign of life must be their own progress.
      this.seen(header);
      heard({ ...PROGRESS, header });
    }, (error) => {
      const failure = client.failure(context.endpoint, error);
      if (failure.kind === "token") failed(failure);
      else if (failure.kind !== "transient") heard();
    });
  }

  get #begun(): boolean {
    return this.#options.watches().every(({ startRevision }) => startRevision <= this.#revision);
  }
}
