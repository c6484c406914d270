import { checkRenewOptions } from "../../registry/options.ts";
import type { Registry, RenewOptions } from "../../registry/registry.ts";
import type { ObjectStorage } from "./platform.ts";

/** What an object is asked to register. */
export interface ObjectRegisterOptions extends Omit<RenewOptions, "ttlSeconds"> {
  /**
   * How long the entry outlives an object that is away, in whole seconds. Defaults to 60, and should not be less: the
   * platform may move the object.
   */
  readonly ttlSeconds?: number;
}

/** Names an entry. */
export type EntryName = Pick<RenewOptions, "service" | "address">;

const DEFAULT_TTL_SECONDS = 60;

const PREFIX = "connect-lb registration ";

function keyOf({ service, address }: EntryName): string {
  return `${PREFIX}${encodeURIComponent(service)} ${address}`;
}

/**
 * What a Durable Object keeps registered. It is stored, because the object may be evicted at any moment: an alarm, set
 * every third of the shortest TTL, brings it back to renew the entries.
 */
export class ObjectRegistrations {
  readonly #storage: ObjectStorage;
  readonly #registry: () => Registry;
  /** What is done takes turns: otherwise a renewal could restore an entry that was just removed. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(storage: ObjectStorage, registry: () => Registry) {
    this.#storage = storage;
    this.#registry = registry;
  }

  /**
   * Registers, or changes what is registered. Resolves when the entry exists.
   *
   * @throws TypeError or RangeError for an invalid option. Other errors: it does not exist yet; the alarm tries again.
   */
  async register(given: ObjectRegisterOptions): Promise<void> {
    const options = checkRenewOptions("register()", { ttlSeconds: DEFAULT_TTL_SECONDS, ...given }, { slashes: true });
    const key = keyOf(options);
    await this.#inTurn(async () => {
      const before = (await this.#stored()).get(key);
      await this.#storage.put(key, options);
      await this.#arm();
      try {
        await this.#registry().renew(options);
      } catch (error) {
        // The layout can't store it: it would never succeed.
        if (error instanceof TypeError || error instanceof RangeError) await this.#restore(key, before);
        throw error;
      }
    });
  }

  async #restore(key: string, before: RenewOptions | undefined): Promise<void> {
    if (before === undefined) await this.#storage.delete(key);
    else await this.#storage.put(key, before);
  }

  /** Removes the entry. If that fails, it expires. */
  async deregister(of: EntryName): Promise<void> {
    const key = keyOf(of);
    await this.#inTurn(async () => {
      const stored = (await this.#stored()).get(key);
      if (stored === undefined) return;
      await this.#storage.delete(key);
      await this.#registry().deregister(stored);
    });
  }

  /** Renews all entries, and sets the next alarm; one that fails is renewed next time. */
  async renew(): Promise<void> {
    await this.#inTurn(async () => {
      try {
        const stored = [...(await this.#stored()).values()];
        await Promise.allSettled(stored.map((options) => this.#registry().renew(options)));
      } finally {
        await this.#arm();
      }
    });
  }

  /** Sets the alarm if there is anything to renew. */
  async #arm(): Promise<void> {
    const ttls = [...(await this.#stored()).values()].map(({ ttlSeconds }) => ttlSeconds);
    if (ttls.length > 0) await this.#storage.setAlarm(Date.now() + Math.min(...ttls) * 1_000 / 3);
  }

  #stored(): Promise<Map<string, RenewOptions>> {
    return this.#storage.list({ prefix: PREFIX });
  }

  async #inTurn(act: () => Promise<void>): Promise<void> {
    const acted = this.#turn.then(act);
    this.#turn = acted.catch(() => {});
    await acted;
  }
}
