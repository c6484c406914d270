import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import type { BalancedTransport, BalancedTransportOptions, EndpointSnapshot } from "../../src/index.ts";
import { eventually } from "../support/eventually.ts";
import { createTransport, type Environment } from "./environment.ts";
import type { CallRecord } from "./load.ts";

/** What sick-server.ts can be asked to become. */
export type Mode = "well" | "unavailable" | "fast" | "slow";

/** An ejection that was reported. */
export interface Ejection {
  readonly address: string;
  readonly atMs: number;
  readonly forMs: number;
}

/** The base of an ejection's length in the short forms of scenarios, in milliseconds. */
const QUICK_BASE_MS = 500;

/** A transport to servers that fall ill when they are asked to, and the ejections that it reports. */
export class Patients {
  readonly addresses: readonly string[];
  readonly transport: BalancedTransport;
  readonly ejections: Ejection[] = [];
  /** Another way to each server, by address, for orders. */
  readonly #direct: ReadonlyMap<string, BalancedTransport>;

  constructor(environment: Environment, addresses: readonly string[], options: Partial<BalancedTransportOptions> = {}) {
    this.addresses = addresses;
    this.transport = environment.transport(addresses, {
      ...environment.quick && { ejectOutliers: { consecutiveFailures: { baseEjectionMs: QUICK_BASE_MS } } },
      ...options,
      onEvent: (event) => {
        if (event.type !== "connection-health" || event.ejectedForMs === undefined) return;
        const { address } = event.endpoint;
        this.ejections.push({ address, atMs: performance.now(), forMs: event.ejectedForMs });
      },
    });
    this.#direct = new Map(addresses.map((address) => {
      const transport = createTransport([address]);
      environment.defer(() => transport.close());
      return [address, transport];
    }));
    // The next scenario may have the same servers.
    if (environment.quick) environment.defer(() => this.become("well", addresses));
  }

  /** Asks servers to become something. */
  async become(mode: Mode, addresses: readonly string[]): Promise<void> {
    await Promise.all(
      addresses.map((address) =>
        createClient(Simple, this.#direct.get(address)!).route({ data: `become ${mode}` }, { timeoutMs: 20_000 })
      ),
    );
  }

  at(address: string): EndpointSnapshot | undefined {
    return this.transport.snapshot().endpoints?.find(({ endpoint }) => endpoint.address === address);
  }

  /** Waits until each of these servers was given `count` more calls. */
  async picked(addresses: readonly string[], count: number): Promise<void> {
    const picks = (address: string) => this.at(address)?.picks ?? 0;
    const before = addresses.map(picks);
    await eventually("calls", () => addresses.every((address, i) => picks(address) >= before[i]! + count));
  }

  /** Waits until all of these servers are ejected. */
  async ejected(addresses: readonly string[]): Promise<void> {
    await eventually("ejections", () => addresses.every((address) => this.at(address)?.ejected !== undefined));
  }

  /** Waits until these servers are neither ejected nor on trial; returns after how many milliseconds each is. */
  async back(addresses: readonly string[]): Promise<number[]> {
    const startMs = performance.now();
    return await Promise.all(addresses.map(async (address) => {
      const before = this.at(address)!.picks;
      for (;;) {
        const { ejected, picks } = this.at(address)!;
        if (ejected === undefined && picks > before + 1) return performance.now() - startMs;
        await sleep(5);
      }
    }));
  }

  /** The length of a server's last ejection, in milliseconds. */
  lastEjectionMs(address: string): number {
    return this.ejections.findLast((ejection) => ejection.address === address)?.forMs ?? NaN;
  }
}

/** The calls that failed on one of these servers. */
export function failedOn(addresses: readonly string[], records: readonly CallRecord[]): CallRecord[] {
  return records.filter(({ attempts }) =>
    attempts.some(({ endpoint, code }) => code !== undefined && addresses.includes(endpoint.address))
  );
}
