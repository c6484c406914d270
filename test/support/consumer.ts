import type { Resolution, Resolver } from "../../src/resolver/resolver.ts";
import { eventually } from "./eventually.ts";

/** What a consumer of a resolver has got so far. It consumes until it is stopped. */
export class Consumer {
  readonly resolutions: Resolution[] = [];
  readonly #stop = new AbortController();

  constructor(resolver: Resolver) {
    void (async () => {
      for await (const resolution of resolver.resolve(this.#stop.signal)) this.resolutions.push(resolution);
    })();
  }

  get last(): Resolution | undefined {
    return this.resolutions.at(-1);
  }

  /** The addresses of the last set, in order, with commas; "" if there is none. */
  get addresses(): string {
    return this.last?.endpoints?.map(({ address }) => address).sort().join() ?? "";
  }

  /** Waits for a fresh set. */
  async has(addresses: string): Promise<void> {
    await eventually(`it has ${addresses}`, () => {
      return this.last?.endpoints !== undefined && this.last.stale === undefined && this.addresses === addresses;
    });
  }

  /** Waits until a set is or was stale, and returns the cause. */
  async wasStale(pattern: RegExp): Promise<Error> {
    return await eventually(`it was stale: ${pattern}`, () => {
      return this.resolutions.find(({ stale }) => stale !== undefined && pattern.test(stale.cause.message))?.stale
        ?.cause;
    });
  }

  stop(): void {
    this.#stop.abort();
  }
}
