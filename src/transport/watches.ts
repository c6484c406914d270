import type { Balancer } from "../balancer/balancer.ts";
import type { BalancerSource } from "../balancer/balancer-source.ts";
import type { CallEnvironment } from "../call/environment.ts";
import type { CallObserver } from "../call/observer.ts";
import type { RpcProtocol } from "../connection/link.ts";
import { guarded } from "../listener.ts";
import type { Resolver } from "../resolver/resolver.ts";
import { type Clock, systemClock } from "../time/clock.ts";
import type { TransportObserver, TransportWatch } from "./observer.ts";
import type { BalancedTransportOptions } from "./options.ts";
import { snapshotOf } from "./snapshot.ts";

/** Those who watch one transport, because of its option `observers`. */
export class TransportWatches {
  readonly #observers: BalancedTransportOptions["observers"];
  readonly #clock: Clock;
  readonly #protocol: RpcProtocol | undefined;
  readonly #watches: TransportWatch[] = [];

  constructor({ observers, connector, clock = systemClock }: Omit<BalancedTransportOptions, "resolver">) {
    this.#observers = observers;
    this.#clock = clock;
    this.#protocol = connector.protocol;
  }

  /**
   * The transport was created, except for what its calls share, which `env` returns later. Returns the observers of its
   * calls.
   */
  begin(
    source: BalancerSource<Balancer>,
    resolver: Pick<Resolver, "scheme">,
    env: () => CallEnvironment,
  ): readonly CallObserver[] {
    const clock = this.#clock;
    const transport = {
      target: source.target,
      scheme: resolver.scheme,
      protocol: this.#protocol,
      get closed() {
        return source.closed;
      },
      now: () => clock.now(),
      snapshot: () => snapshotOf(source, env()),
    };
    const observers = (this.#observers ?? []).flatMap((observer) => {
      if (!isTransportObserver(observer)) return observer;
      const made: TransportWatch[] = [];
      guarded("an observer of a transport", () => {
        made.push(observer(transport));
      });
      this.#watches.push(...made);
      return made;
    });
    source.balancer.subscribe((event) => this.#each("event", (watch) => watch.event?.(event)));
    if (this.#watches.some(({ weightsUpdated }) => weightsUpdated !== undefined)) {
      source.balancer.onWeights = (weights) => {
        this.#each("weightsUpdated", (watch) => watch.weightsUpdated?.(weights));
      };
    }
    return observers;
  }

  /** The transport is being closed. */
  closing(): void {
    this.#each("closed", (watch) => watch.closed?.());
    this.#watches.length = 0;
  }

  #each(what: string, tell: (watch: TransportWatch) => unknown): void {
    for (const watch of this.#watches) guarded(`${what} of an observer`, () => tell(watch));
  }
}

function isTransportObserver(observer: CallObserver | TransportObserver): observer is TransportObserver {
  return typeof observer === "function";
}
