import type { ResponseHeader, WatchRequest, WatchResponse } from "../../src/etcd/driver/driver.ts";

/** An open stream of watches, for tests that speak for the server. */
export class FakeWatchStream {
  readonly endpoint: string;
  readonly signal: AbortSignal;
  /** The watches that are on it, by the ids that the server gave them. */
  readonly watches: Map<bigint, WatchRequest> = new Map();
  /** All that were asked for. */
  readonly requests: WatchRequest[] = [];
  /** The ids that were canceled, whatever they were. */
  readonly canceled: bigint[] = [];
  /** How often it was asked for its progress. */
  asked = 0;
  #queue: (WatchResponse | Error | "end")[] = [];
  #wake: (() => void) | undefined;

  constructor(endpoint: string, signal: AbortSignal) {
    this.endpoint = endpoint;
    this.signal = signal;
  }

  /** The newest that was asked for. */
  get request(): WatchRequest {
    const request = this.requests.at(-1);
    if (request === undefined) throw new Error("there was no watch on this stream yet");
    return request;
  }

  /** Sends a response: of the newest watch, unless it says otherwise. */
  send(response: Partial<WatchResponse> & { header: ResponseHeader }): void {
    this.#push({
      watchId: [...this.watches.keys()].at(-1) ?? 0n,
      created: false,
      canceled: false,
      compactRevision: 0n,
      cancelReason: "",
      fragment: false,
      events: [],
      ...response,
    });
  }

  fail(error: Error = new Error("the connection was cut")): void {
    this.#push(error);
  }

  /** Ends without an error. */
  end(): void {
    this.#push("end");
  }

  #push(item: WatchResponse | Error | "end"): void {
    this.#queue.push(item);
    this.#wake?.();
  }

  async *read(): AsyncGenerator<WatchResponse> {
    this.signal.addEventListener("abort", () => this.#wake?.());
    for (;;) {
      if (this.signal.aborted) throw this.signal.reason;
      const item = this.#queue.shift();
      if (item instanceof Error) {
        this.watches.clear();
        throw item;
      }
      if (item === "end") return;
      if (item !== undefined) yield item;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
