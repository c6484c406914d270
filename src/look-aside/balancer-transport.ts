import type { Transport } from "@connectrpc/connect";
import type { Connector } from "../connection/link.ts";
import type { Endpoint } from "../endpoint.ts";
import { type Checks, makes, required } from "../option.ts";
import { pickFirst } from "../policy/pick-first.ts";
import type { Resolver } from "../resolver/resolver.ts";
import { staticResolver } from "../resolver/static.ts";
import type { Clock } from "../time/clock.ts";
import { type BalancedTransport, createBalancedTransport } from "../transport/transport.ts";

/** How a look-aside balancer is reached. */
export interface BalancerAddressOptions {
  /**
   * Where the balancer listens: addresses, of which the first one that can be reached is used, or a resolver of them,
   * such as `dnsResolver(…)` or `registry.resolver(…)`.
   */
  readonly balancers: readonly (string | Endpoint)[] | Resolver;
  /**
   * What opens links to the balancer: `grpcConnector()` of `connect-lb/node`, `fetchConnector()` of `connect-lb/fetch`
   * or, over any Connect transport, `transportConnector(…)`. It may be the one that opens links to the servers.
   */
  readonly connector: Connector;
}

const isResolver = (value: unknown) => typeof (value as Partial<Resolver> | null)?.resolve === "function";

/** The checks of {@link BalancerAddressOptions}. */
export const BALANCER_ADDRESS: Checks<BalancerAddressOptions> = {
  balancers: required(makes('an array of addresses, such as ["10.0.0.1:8383"], or a resolver', (value) => {
    return isResolver(value) || Array.isArray(value) && value.length > 0;
  })),
  connector: required(makes("a connector, such as grpcConnector()", (value) => typeof value === "function")),
};

/** The transport to a look-aside balancer. It exists while somebody uses it. */
export class BalancerTransport {
  readonly #options: BalancerAddressOptions & { readonly clock: Clock; readonly random: () => number };
  readonly #resolver: Resolver;
  #transport: BalancedTransport | undefined;
  #users = 0;

  /** @throws TypeError or RangeError for an invalid address. */
  constructor(options: BalancerAddressOptions & { readonly clock: Clock; readonly random: () => number }) {
    const { balancers } = this.#options = options;
    this.#resolver = isResolver(balancers) ? balancers as Resolver : staticResolver(balancers as readonly string[]);
  }

  /** Runs what uses the transport. */
  async use<T>(run: (transport: Transport) => Promise<T>): Promise<T> {
    const transport = this.#acquire();
    try {
      return await run(transport);
    } finally {
      this.#release();
    }
  }

  /** Yields what is yielded by something that uses the transport. */
  async *using<T>(run: (transport: Transport) => AsyncIterable<T>): AsyncIterable<T> {
    const transport = this.#acquire();
    try {
      yield* run(transport);
    } finally {
      this.#release();
    }
  }

  #acquire(): Transport {
    this.#users++;
    const { connector, clock, random } = this.#options;
    return this.#transport ??= createBalancedTransport({
      resolver: this.#resolver,
      connector,
      // One balancer at a time, as in gRPC: its lists are whole.
      policy: pickFirst(),
      idleTimeoutMs: Infinity,
      clock,
      random,
    });
  }

  #release(): void {
    if (--this.#users > 0) return;
    void this.#transport?.close();
    this.#transport = undefined;
  }
}
