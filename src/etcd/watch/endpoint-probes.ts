import { type Endpoint, endpointIdentity } from "../../endpoint.ts";
import type { Timer } from "../../time/clock.ts";
import type { EtcdClient } from "../client/client.ts";
import type { ResponseHeader } from "../driver/driver.ts";
import { AuthenticationError, EtcdError } from "../driver/failure.ts";
import { PROGRESS_MS } from "./watch-liveness.ts";

/** A stream that can't be asked for its progress. */
export interface Probed {
  readonly endpoint: Endpoint;
  /** A key that one of its open watches may read. Undefined: none is open. */
  readonly key: Uint8Array | undefined;
  /** The store behind the endpoint was read. */
  read(header: ResponseHeader): void;
}

/**
 * Probes the endpoints of streams that can't be asked for their progress: with a read now and then, one for all streams
 * of an endpoint. An endpoint that doesn't answer it is given up, and its streams with it. It can't prove that a stream
 * is alive, whose connection is another: therefore such streams are reopened from time to time as well.
 */
export class EndpointProbes {
  readonly #client: EtcdClient;
  readonly #probes = new Map<string, Probe>();

  constructor(client: EtcdClient) {
    this.#client = client;
  }

  /** Probes the stream's endpoint. Returns a function that ends that. */
  add(stream: Probed): () => void {
    const identity = endpointIdentity(stream.endpoint);
    let probe = this.#probes.get(identity);
    if (probe === undefined) this.#probes.set(identity, probe = new Probe(this.#client, stream.endpoint));
    const { streams } = probe;
    streams.add(stream);
    return () => {
      if (!streams.delete(stream) || streams.size > 0) return;
      probe.stop();
      this.#probes.delete(identity);
    };
  }
}

class Probe {
  readonly streams: Set<Probed> = new Set();
  readonly #client: EtcdClient;
  readonly #endpoint: Endpoint;
  readonly #stop = new AbortController();
  #timer: Timer;

  constructor(client: EtcdClient, endpoint: Endpoint) {
    this.#client = client;
    this.#endpoint = endpoint;
    this.#timer = this.#wait();
  }

  stop(): void {
    this.#timer.cancel();
    this.#stop.abort(new Error("no stream needs the probe any more"));
  }

  #wait(): Timer {
    return this.#client.clock.timer(PROGRESS_MS, async () => {
      await this.#read();
      if (!this.#stop.signal.aborted) this.#timer = this.#wait();
    });
  }

  async #read(): Promise<void> {
    const { driver } = this.#client, endpoint = this.#endpoint;
    const key = Array.from(this.streams, ({ key }) => key).find((key) => key !== undefined);
    if (key === undefined) return;
    const cursor = { endpoint, next() {}, avoidBackoff() {} };
    try {
      const { header } = await this.#client.unary(
        cursor,
        this.#stop.signal,
        (context) => driver.range({ key }, context),
      );
      for (const stream of [...this.streams]) stream.read(header);
    } catch (error) {
      // Without a token, or without permission, nothing is known of the streams.
      if (!(error instanceof EtcdError) || error.kind !== "transient" || error instanceof AuthenticationError) return;
      driver.reset(endpoint, driver.generation(endpoint));
    }
  }
}
