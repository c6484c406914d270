import type { EtcdClient } from "../client/client.ts";
import type { AttemptContext, ResponseHeader, WatchRequest, WatchResponse } from "../driver/driver.ts";
import type { EtcdError } from "../driver/failure.ts";

/** An answer to a progress request, but for the header. */
const PROGRESS = {
  watchId: -1n,
  created: false,
  canceled: false,
  compactRevision: 0n,
  cancelReason: "",
  fragment: false,
  events: [],
} as const;

/** The stream of watches that is asked for signs of life. */
export interface LifeSignsOptions {
  readonly client: EtcdClient;
  readonly context: AttemptContext;
  /** Its watches that are open. */
  watches(): Iterable<Pick<WatchRequest, "key" | "startRevision">>;
  /** Asks it for its progress. Its answer goes to `progress`. */
  requestProgress(): void;
  /**
   * The way to etcd is open: a read was answered, which is passed on as an answer to a progress request, with the header
   * of the store behind it; or it was refused.
   */
  heard(progress?: WatchResponse): void;
  /** etcd takes the stream's token no more. */
  failed(cause: EtcdError): void;
}

/**
 * How a stream of watches is asked whether it is alive: by its progress, or by a read where that is left without an
 * answer. etcd's grpc-proxy never answers it. Newer versions of etcd (3.5.35, 3.6.16 and 3.7.3 among them) don't while a
 * watch begins at a revision that is still to come, that is until something is written after its list.
 */
export class LifeSigns {
  readonly #options: LifeSignsOptions;
  /** The newest revision that was heard of. */
  #revision = 0n;
  /** Whether the server says its progress also to watches that have not begun. */
  #answersEarly = false;

  constructor(options: LifeSignsOptions) {
    this.#options = options;
  }

  /** A response of the stream came. */
  seen({ revision }: ResponseHeader): void {
    if (revision > this.#revision) this.#revision = revision;
  }

  /** The stream said its progress. */
  progress(): void {
    this.#answersEarly ||= !this.#begun;
  }

  /** Asks etcd itself; `times` counts how often that was since it was heard last. */
  ask(times: number): void {
    this.#options.requestProgress();
    if (times > 1 && !this.#answersEarly && !this.#begun) this.read();
  }

  /** Reads a key that a watch may read. */
  read(): void {
    const { client, context, watches, heard, failed } = this.#options;
    const [watch] = watches();
    if (watch === undefined) return;
    client.driver.range({ key: watch.key }, context).then(({ header }) => {
      // If the watches have begun by now, the next answer has to be their own.
      this.seen(header);
      heard({ ...PROGRESS, header });
    }, (error) => {
      const failure = client.failure(context.endpoint, error);
      if (failure.kind === "token") failed(failure);
      else if (failure.kind !== "transient") heard();
    });
  }

  get #begun(): boolean {
    for (const { startRevision } of this.#options.watches()) if (startRevision > this.#revision) return false;
    return true;
  }
}
