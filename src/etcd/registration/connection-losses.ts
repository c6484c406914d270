import { Backoff } from "../../time/backoff.ts";
import type { Timer } from "../../time/clock.ts";
import type { EtcdClient } from "../client/client.ts";
import type { Cursor } from "../client/cursor.ts";
import { HEALTHY_MS } from "../client/pace.ts";

/**
 * The delay before a registration reacts to a lost connection, in milliseconds: jittered, because all that shared the
 * connection hear of the loss at once, and growing while new connections are lost as well.
 */
const RECONNECT = { initialMs: 1_000, maxMs: 30_000, factor: 2, jitter: "full" } as const;

/**
 * The losses of the connection to a loop's etcd endpoint. The next connection may lead to another etcd, or to one
 * restored from an older copy.
 */
export class ConnectionLosses {
  readonly #client: EtcdClient;
  readonly #backoff: Backoff;
  readonly #ignore: () => void;
  readonly #reconnect: () => void;
  #timer: Timer | undefined;
  #lastMs = -Infinity;

  /** Calls `lost` at each loss immediately, and `reconnect` after a backoff. */
  constructor(client: EtcdClient, cursor: Cursor, lost: () => void, reconnect: () => void) {
    this.#client = client;
    this.#backoff = new Backoff(RECONNECT, client.random);
    this.#reconnect = reconnect;
    this.#ignore = client.onLost(cursor, () => {
      this.#lost();
      lost();
    });
  }

  stop(): void {
    this.#ignore();
    this.#timer?.cancel();
  }

  #lost(): void {
    const { clock } = this.#client;
    const now = clock.now();
    if (now - this.#lastMs >= HEALTHY_MS) this.#backoff.reset();
    this.#lastMs = now;
    this.#timer ??= clock.timer(this.#backoff.next(), () => {
      this.#timer = undefined;
      this.#reconnect();
    });
  }
}
