// A registry on a scripted etcd and a clock that the test turns, and its consumers.
import type { EtcdRegistryOptions } from "../../src/etcd/options.ts";
import { createRegistryOver } from "../../src/etcd/registry.ts";
import type { RegistryEvent } from "../../src/registry/event.ts";
import type { Registry } from "../../src/registry/registry.ts";
import type { Resolution, Resolver } from "../../src/resolver/resolver.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { FakeEtcd } from "./fake-etcd.ts";

export interface Consumer {
  readonly seen: Resolution[];
  /** The addresses of the newest set, in order. */
  readonly now: string[] | undefined;
  readonly stale: string | undefined;
  readonly ended: Promise<void>;
  stop(): void;
}

export function consume(resolver: Resolver): Consumer {
  const stop = new AbortController();
  const seen: Resolution[] = [];
  const ended = (async () => {
    for await (const resolution of resolver.resolve(stop.signal)) seen.push(resolution);
  })();
  return {
    seen,
    get now() {
      return seen.at(-1)?.endpoints?.map((endpoint) => endpoint.address).sort();
    },
    get stale() {
      return seen.at(-1)?.stale?.cause.message;
    },
    ended,
    stop: () => stop.abort(),
  };
}

/** What a test has of a registry. */
export interface SetUp {
  readonly etcd: FakeEtcd;
  readonly clock: ManualClock;
  readonly events: RegistryEvent[];
  readonly registry: Registry;
  types(): string[];
}

export function setUp(options: Partial<EtcdRegistryOptions> = {}): SetUp {
  const etcd = new FakeEtcd();
  const clock = new ManualClock();
  const events: RegistryEvent[] = [];
  const registry: Registry = createRegistryOver(() => etcd, {
    endpoints: ["e1:1"],
    clock,
    random: () => 0.5,
    onEvent: (event) => events.push(event),
    ...options,
  });
  return { etcd, clock, events, registry, types: () => events.map(({ type }) => type) };
}
