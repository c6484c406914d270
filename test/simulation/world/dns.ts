import type { Clock } from "../../../src/time/clock.ts";
import type { DnsLookup } from "../../../src/node/dns/lookup.ts";
import { dnsResolver } from "../../../src/node/dns/resolver.ts";
import type { Resolver } from "../../../src/resolver/resolver.ts";
import { sleep } from "../../../src/time/backoff.ts";
import type { Process } from "./process.ts";
import type { World } from "./world.ts";

/** How DNS may fail to answer. */
export type DnsSickness = "fails" | "silent" | "empty";

/** The name of the servers, in DNS: those that run, as of some time ago, because answers are cached. */
export class SimulatedDns {
  readonly #world: World;
  readonly #ttlMs: number;
  #cached: readonly string[] = [];
  #cachedMs = -Infinity;
  /** What is wrong with it, the latest last: one may begin and end while another goes on. */
  readonly #sick: DnsSickness[] = [];

  constructor(world: World, ttlMs: number) {
    this.#world = world;
    this.#ttlMs = ttlMs;
  }

  /** Something is wrong with it, until the returned function is called. */
  ail(sickness: DnsSickness): () => void {
    const sick = this.#sick;
    sick.push(sickness);
    return () => void sick.splice(sick.indexOf(sickness), 1);
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
    const sickness = this.#sick.at(-1);
    if (sickness === "fails") throw Object.assign(new Error("queryA ESERVFAIL"), { code: "ESERVFAIL" });
    if (sickness === "empty") return [];
    if (sickness === "silent") await sleep(clock, 600_000, undefined);
    const world = this.#world, nowMs = world.time.now();
    if (nowMs >= this.#cachedMs + this.#ttlMs) {
      this.#cached = world.servers.filter(({ running }) => running).map(({ address }) => address.split(":")[0]!);
      this.#cachedMs = nowMs;
    }
    return this.#cached;
  }
}
