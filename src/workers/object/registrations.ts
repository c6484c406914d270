import { checkRegisterOptions } from "../../registry/options.ts";
import type { RegisterOptions, Registration, Registry } from "../../registry/registry.ts";
import { type Clock, systemClock } from "../../time/clock.ts";
import type { ObjectStorage } from "./platform.ts";

/** A registration as it is stored. */
export type StoredRegistration = Omit<RegisterOptions, "onState">;

/** The TTL of registrations that say none: an object that was moved must be back before it has passed. */
const DEFAULT_TTL_SECONDS = 60;

/** How long a request waits for its registration. */
const READY_MS = 10_000;

const PREFIX = "connect-lb registration ";

function keyOf({ service, address }: Pick<StoredRegistration, "service" | "address">): string {
  return `${PREFIX}${encodeURIComponent(service)} ${address}`;
}

/**
 * What a Durable Object registers. It is stored, because the object may be evicted at any moment; then an alarm brings
 * it back and registers again, before the TTL has passed.
 */
export class ObjectRegistrations {
  readonly #storage: ObjectStorage;
  readonly #registry: () => Registry;
  /** Those of this life of the object. */
  readonly #open = new Map<string, { readonly json: string; readonly registration: Registration }>();

  constructor(storage: ObjectStorage, registry: () => Registry) {
    this.#storage = storage;
    this.#registry = registry;
  }

  /**
   * Registers, or changes what is registered. Resolves when the entry exists.
   *
   * @throws TypeError or RangeError for an invalid option. Other errors: it does not exist yet; the object keeps trying.
   */
  async register(given: StoredRegistration): Promise<void> {
    const { onState: _, ...options } = checkRegisterOptions({ ttlSeconds: DEFAULT_TTL_SECONDS, ...given }, {
      slashes: true,
    });
    const registration = await this.#hold(options);
    await this.#storage.put(keyOf(options), options);
    await this.arm();
    await within(READY_MS, registration.ready);
  }

  /** Removes the entry. */
  async deregister(of: Pick<StoredRegistration, "service" | "address">): Promise<void> {
    const key = keyOf(of);
    const stored = (await this.#stored()).get(key);
    if (stored === undefined) return;
    await this.#storage.delete(key);
    const registration = await this.#hold(stored);
    this.#open.delete(key);
    // One of an earlier life of the object: its key is taken over, and so can be removed.
    await within(READY_MS, registration.ready).catch(() => {});
    await registration.close();
  }

  /** Renews all registrations; those that fail are retried until the next time. Never rejects for them. */
  async renew(): Promise<void> {
    const stored = [...(await this.#stored()).values()];
    await Promise.all(stored.map(async (options) => {
      const registration = await this.#hold(options);
      await registration.renew().catch(() => {});
    }));
  }

  /** Sets the alarm for the next renewal, if there is anything to renew. */
  async arm(): Promise<void> {
    const ttls = [...(await this.#stored()).values()].map(({ ttlSeconds = DEFAULT_TTL_SECONDS }) => ttlSeconds);
    if (ttls.length > 0) await this.#storage.setAlarm(Date.now() + Math.min(...ttls) * 1_000 / 3);
  }

  #stored(): Promise<Map<string, StoredRegistration>> {
    return this.#storage.list({ prefix: PREFIX });
  }

  /** The running registration with these options. */
  async #hold(options: StoredRegistration): Promise<Registration> {
    const key = keyOf(options), json = JSON.stringify(options), open = this.#open.get(key);
    if (open?.json === json) return open.registration;
    const registration = this.#registry().register(options);
    // Nobody may ask for it.
    registration.ready.catch(() => {});
    this.#open.set(key, { json, registration });
    // The new one has taken the key over by then, so it stays.
    if (open !== undefined) {
      await within(READY_MS, registration.ready).catch(() => {});
      await open.registration.close();
    }
    return registration;
  }
}

/** Settles like the promise, or rejects after this time. */
function within(ms: number, promise: Promise<void>, clock: Clock = systemClock): Promise<void> {
  return new Promise((resolve, reject) => {
    const text = `not registered within ${ms} ms; the object keeps trying`;
    const timer = clock.timer(ms, () => reject(new Error(text)));
    promise.then(resolve, reject).finally(() => timer.cancel());
  });
}
