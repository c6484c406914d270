import type { Clock } from "../../../src/time/clock.ts";
import type { DnsLookup } from "../../../src/node/dns/lookup.ts";
import { dnsResolver } from "../../../src/node/dns/resolver.ts";
import type { Resolver } from "../../../src/resolver/resolver.ts";
import { sleep } from "../../../src/time/backoff.ts";
import type { Process } from "./process.ts";
import type { World } from "./world.ts";

/** How DNS answers. */
export type DnsState = "well" | "fails" | "silent" | "empty";

/** The name of the servers, in DNS: those that run, as of some time ago, because answers are cached. */
export class SimulatedDns {
  readonly #world: World;
  readonly #ttlMs: number;
  #cached: readonly string[] = [];
  #cachedMs = -Infinity;
  state: DnsState = "well";

  constructor(world: World, ttlMs: number) {
    this.#world = world;
    this.#ttlMs = ttlMs;
  }

  /** A program's resolver. */
  resolver({ clock, chance }: Process): Resolver {
    const lookup: DnsLookup = {
      addresses: () => this.#addresses(clock),
      services: () => Promise.reject(new Error("there are no SRV records")),
    };
    return dnsResolver("simulated:1", { lookup, clock, random: chance.of("dns").next, intervalMs: this.#ttlMs });
  }

  async #addresses(clock: Clock): Promise<readonly string[]> {
    await sleep(clock, 20, undefined);
    if (this.state === "fails") throw Object.assign(new Error("queryA ESERVFAIL"), { code: "ESERVFAIL" });
    if (this.state === "empty") return [];
    if (this.state === "silent") await sleep(clock, 600_000, undefined);
    const world = this.#world, nowMs = world.time.now();
    if (nowMs >= this.#cachedMs + this.#ttlMs) {
      this.#cached = world.servers.filter(({ running }) => running).map(({ address }) => address.split(":")[0]!);
      this.#cachedMs = nowMs;
    }
    return this.#cached;
  }
}
