import type { BalancerEvent } from "../balancer/event.ts";
import type { CallObserver } from "../call/observer.ts";
import type { RpcProtocol } from "../connection/link.ts";
import type { ReportedWeights } from "../policy/policy.ts";
import type { TransportSnapshot } from "./snapshot.ts";

/**
 * Observes transports: an element of the option `observers`, called once for each transport that has it. What it returns
 * hears of that transport's calls and events. Errors it throws are printed and otherwise ignored.
 */
export type TransportObserver = (transport: ObservedTransport) => TransportWatch;

/** A transport as its observers see it. */
export interface ObservedTransport {
  /** What it resolves: usually the service's name. */
  readonly target: string;
  /** What kind of name that is, as gRPC's target URIs have it, such as `etcd` or `dns`; undefined if unknown. */
  readonly scheme: string | undefined;
  /** What its connector's links speak; undefined if that is not known, as with `grpcConnector()`, which speaks gRPC. */
  readonly protocol: RpcProtocol | undefined;
  /** Whether it was closed. */
  readonly closed: boolean;
  /** The transport's clock, in milliseconds. */
  now(): number;
  /** The current state. Not to be called before the observer has returned. */
  snapshot(): TransportSnapshot;
}

/** Watches one transport: its calls, as any {@link CallObserver} does, and its events. */
export interface TransportWatch extends CallObserver {
  /** The set or a connection changed: what `onEvent` gets. */
  event?(event: BalancerEvent): void;
  /**
   * `weightedRoundRobin({ loadReports })` computed its weights anew: with each new picker, and with a call as soon as
   * they are older than `updatePeriodMs`.
   */
  weightsUpdated?(weights: ReportedWeights): void;
  /** The transport is being closed. */
  closed?(): void;
}
