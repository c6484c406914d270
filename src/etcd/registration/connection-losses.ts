import { Backoff } from "../../time/backoff.ts";
import type { Timer } from "../../time/clock.ts";
import type { EtcdClient } from "../client/client.ts";
import type { Cursor } from "../client/cursor.ts";
import { HEALTHY_MS } from "../client/pace.ts";

/**
 * How soon something is done about a lost connection, in milliseconds: at random in between, as all that shared it are
 * told at once, and later and later while the next one is lost as well.
 */
const RECONNECT = { initialMs: 1_000, maxMs: 30_000, factor: 2, jitter: "full" } as const;

/**
 * The losses of the connection to a loop's etcd endpoint: etcd may be another one behind the next connection, or restored
 * from an older copy.
 */
export class ConnectionLosses {
  readonly #client: EtcdClient;
  readonly #backoff: Backoff;
  readonly #ignore: () => void;
  readonly #reconnect: () => void;
  #timer: Timer | undefined;
  #lastMs = -Infinity;

  /** `lost` is told of each at once, `reconnect` when it is time to do something. */
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
