import type { Connection } from "../connection/connection.ts";
import type { Ejections } from "./ejections.ts";
import type { HealthEnvironment } from "./health.ts";
import type { TrackedEndpoint } from "./tracked-endpoint.ts";

/**
 * Endpoints whose calls fail one after the other and that are not ejected, as others' fail as well, or too many are. If
 * no endpoint is left that is neither suspect nor ejected, none is an outlier: then nothing is ejected, and a panic is
 * declared until the first call succeeds.
 */
export class Suspects {
  readonly #env: HealthEnvironment;
  readonly #ejections: Ejections;
  readonly #ready: ReadonlyMap<Connection, TrackedEndpoint>;
  readonly #successesOf: (tracked: TrackedEndpoint) => number;
  #size = 0;
  #allFail = false;
  /** When calls to all endpoints failed last, on the clock's scale. */
  #calmMs = -Infinity;

  /** `ready`: the endpoints that are ready. `successesOf`: how many calls to one have ever succeeded. */
  constructor(
    env: HealthEnvironment,
    ejections: Ejections,
    ready: ReadonlyMap<Connection, TrackedEndpoint>,
    successesOf: (tracked: TrackedEndpoint) => number,
  ) {
    this.#env = env;
    this.#ejections = ejections;
    this.#ready = ready;
    this.#successesOf = successesOf;
  }

  /** Whether calls to all endpoints fail. */
  get areAll(): boolean {
    return this.#allFail;
  }

  /** Whether a call that began at this time says nothing about one endpoint: calls to all of them failed later still. */
  precedesCalm(beganMs: number): boolean {
    return beganMs < this.#calmMs;
  }

  add(tracked: TrackedEndpoint): void {
    if (tracked.suspect || !tracked.ready) return;
    tracked.suspect = true;
    tracked.successesBeforeSuspicion = this.#successesOf(tracked);
    this.#size++;
  }

  delete(tracked: TrackedEndpoint): void {
    if (!tracked.suspect) return;
    tracked.suspect = false;
    this.#size--;
  }

  /** Most successes are not heard of: looks whether there were any since it became suspect. */
  review(tracked: TrackedEndpoint): void {
    if (tracked.suspect && this.#successesOf(tracked) !== tracked.successesBeforeSuspicion) this.delete(tracked);
  }

  /** Whether all endpoints fail may have changed. */
  look(): void {
    let allFail = this.#noneIsLeft();
    if (allFail && !this.#allFail) {
      for (const tracked of this.#ready.values()) this.review(tracked);
      allFail = this.#noneIsLeft();
    }
    if (allFail === this.#allFail) return;
    this.#allFail = allFail;
    if (allFail) this.#panic();
    else this.#calmDown();
  }

  #noneIsLeft(): boolean {
    const all = this.#ready.size;
    return all > 1 && this.#size > 0 && this.#size + this.#ejections.out >= all;
  }

  #panic(): void {
    const shows = this.#env.panic(true);
    for (const tracked of [...this.#ready.values()]) {
      this.#ejections.release(tracked);
      this.add(tracked);
      if (shows) this.#env.report(tracked.connection, new Error("its calls fail, as those to all other endpoints do"));
    }
  }

  #calmDown(): void {
    this.#calmMs = this.#env.now();
    for (const tracked of [...this.#ready.values()]) {
      // What failed until now says nothing about one of them.
      tracked.clearVolume(this.#successesOf(tracked));
      this.#env.report(tracked.connection, "serving");
    }
    this.#env.panic(false);
  }
}
