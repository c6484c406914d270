import { endpointIdentity } from "../../endpoint.ts";
import type { Timer } from "../../time/clock.ts";
import { untilAborted } from "../../time/until-aborted.ts";
import type { EtcdClient } from "../client/client.ts";
import type { Cursor } from "../client/cursor.ts";
import type { WatchResponse } from "../driver/driver.ts";
import { EndpointProbes } from "./endpoint-probes.ts";
import { Relist } from "./relist.ts";
import { type Watcher, WatchStream } from "./watch-stream.ts";

/** The consumer of one watch. */
export interface WatchReader {
  readonly request: Watcher["request"];
  /** The watch was created. Returns how long it should live, in milliseconds. */
  onOpen(watch: OpenWatch): number;
  /** Receives every response except refusals, in order, until the signal aborts. An error it throws ends the watch. */
  onResponse(response: WatchResponse): void;
}

/** An open watch. */
export interface OpenWatch {
  /** See {@link WatchStream.direct}. */
  readonly direct: boolean;
  /** Probes for a sign of life now. */
  ask(): void;
}

/** A registry's watches. All watches on one etcd endpoint share a stream, as far as the driver allows. */
export class WatchStreams {
  readonly client: EtcdClient;
  readonly #streams = new Set<WatchStream>();
  readonly #probes: EndpointProbes | undefined;

  constructor(client: EtcdClient) {
    this.client = client;
    if (!client.driver.capabilities.progress) this.#probes = new EndpointProbes(client);
  }

  /**
   * Creates one watch on the cursor's endpoint and reads it. Returns when the watch has reached the age that `onOpen`
   * returned or the maximum age of the driver's streams.
   *
   * @throws EtcdError when the stream failed, ended or fell silent, or the watch was refused; what the reader throws;
   * the signal's reason.
   */
  async read(cursor: Cursor, signal: AbortSignal, { request, onOpen, onResponse }: WatchReader): Promise<void> {
    const { client } = this;
    const { maxStreamMs = Infinity } = client.driver.capabilities;
    await client.avoidBackoff(cursor, signal);
    const { endpoint } = cursor;
    const token = await client.token(cursor, signal);
    signal.throwIfAborted();
    const stream = this.#stream(cursor, token);
    let age: Timer | undefined;
    let leave = () => {};
    const over = new Promise<void>((resolve, reject) => {
      leave = stream.add({
        request,
        onEnd: reject,
        onResponse(response) {
          if (signal.aborted) return;
          onResponse(response);
          if (!response.created) return;
          const ageMs = Math.min(maxStreamMs, onOpen({ direct: stream.direct, ask: () => stream.ask() }));
          if (ageMs < Infinity) age = client.clock.timer(ageMs, resolve);
        },
      });
    });
    try {
      await untilAborted(over, signal);
    } catch (error) {
      if (error instanceof Relist) throw error;
      signal.throwIfAborted();
      const failure = client.failure(endpoint, error);
      client.refusesToken(failure, endpoint, token);
      throw failure;
    } finally {
      age?.cancel();
      leave();
    }
  }

  /**
   * A stream with room on the endpoint. A renewed token needs a new stream: etcd checks the token that a stream began
   * with.
   */
  #stream({ endpoint }: Cursor, token: string | undefined): WatchStream {
    const { watchesPerStream = Infinity } = this.client.driver.capabilities;
    const identity = endpointIdentity(endpoint);
    for (const stream of this.#streams) {
      const fits = endpointIdentity(stream.endpoint) === identity && stream.token === token;
      if (fits && stream.size < watchesPerStream) return stream;
    }
    const stream = new WatchStream(this.client, endpoint, token, () => {
      this.#streams.delete(stream);
      unprobe?.();
    });
    this.#streams.add(stream);
    const unprobe = this.#probes?.add(stream);
    return stream;
  }
}
