/**
 * Client-side load balancing for Connect clients: an endpoint is picked for each call, not for each connection.
 *
 * A {@link Resolver} yields the endpoints of a service, a {@link Connector} opens a link to each, a {@link Policy}
 * chooses one for every call, and {@link createBalancedTransport} combines them into a Connect transport. This entry
 * runs on every runtime; links and registries have their own entries.
 *
 * @module
 */
export type { BalancerEvent } from "./balancer/event.ts";
export type {
  Attempt,
  AttemptMessage,
  AttemptStart,
  CallEnd,
  CallObserver,
  CallStart,
  CallWatch,
  WaitReason,
} from "./call/observer.ts";
export type { ListingResolver } from "./balancer/pulled.ts";
export { hedging } from "./call/adaptive-hedging.ts";
export type { HedgingOptions } from "./call/adaptive-hedging.ts";
export { adaptiveThrottle } from "./call/adaptive-throttle.ts";
export type { AdaptiveThrottleOptions } from "./call/adaptive-throttle.ts";
export { fixedHedging } from "./call/fixed-hedging.ts";
export type { Hedging } from "./call/hedging.ts";
export { balance } from "./call/options.ts";
export type { BalanceSettings } from "./call/options.ts";
export type { RetryOptions } from "./call/retry.ts";
export type { CallThrottle, Throttle, ThrottleEnvironment } from "./call/throttle.ts";
export type { Connection, Health, Outcome } from "./connection/connection.ts";
export type { Connector, Link, LinkEvents, RpcProtocol } from "./connection/link.ts";
export { markAttempt } from "./connection/mark.ts";
export type { AttemptEnd } from "./connection/mark.ts";
export { transportConnector } from "./connection/transport-connector.ts";
export type { TransportConnectorOptions } from "./connection/transport-connector.ts";
export { classifyTransportError } from "./connection/transport-error.ts";
export type { ConnectivityState } from "./connectivity.ts";
export type { Endpoint } from "./endpoint.ts";
export type { FailurePercentageOptions } from "./health/failure-percentage.ts";
export type { ConsecutiveFailuresOptions } from "./health/failure-run.ts";
export { grpcHealth } from "./health/grpc-health.ts";
export type { GrpcHealthOptions } from "./health/grpc-health.ts";
export type { HealthCheck, HealthEnvironment, HealthWatch } from "./health/health.ts";
export type { EjectOutliersOptions } from "./health/outlier-options.ts";
export type { SuccessRateOptions } from "./health/success-rate.ts";
export { explainCall } from "./observe/recorder/explain.ts";
export { flightRecorder } from "./observe/recorder/flight-recorder.ts";
export type { FlightRecorder, FlightRecorderOptions } from "./observe/recorder/flight-recorder.ts";
export type {
  RecordedAttempt,
  RecordedCall,
  RecordedCallsQuery,
  RecordedWaits,
} from "./observe/recorder/recorded-call.ts";
export type { ObservedTransport, TransportObserver, TransportWatch } from "./transport/observer.ts";
export { drop } from "./policy/drop.ts";
export { excluding } from "./policy/excluding.ts";
export { failover } from "./policy/failover.ts";
export type { FailoverOptions } from "./policy/failover.ts";
export { filter } from "./policy/filter.ts";
export type { EndpointFilter } from "./policy/filter.ts";
export type { HashKeyOptions } from "./policy/hash-key.ts";
export { leastRequest } from "./policy/least-request.ts";
export type { LeastRequestOptions } from "./policy/least-request.ts";
export { peakEwma } from "./policy/peak-ewma.ts";
export type { PeakEwmaOptions } from "./policy/peak-ewma.ts";
export { unavailable } from "./policy/policy.ts";
export type {
  CallInfo,
  Picker,
  PickResult,
  Policy,
  PolicyEnvironment,
  PolicySnapshot,
  ReportedWeights,
} from "./policy/policy.ts";
export { pickFirst } from "./policy/pick-first.ts";
export type { PickFirstOptions } from "./policy/pick-first.ts";
export { preferZone } from "./policy/prefer-zone.ts";
export type { PreferZoneOptions } from "./policy/prefer-zone.ts";
export { prequal } from "./policy/prequal.ts";
export type { PrequalOptions } from "./policy/prequal.ts";
export { random } from "./policy/random.ts";
export { rendezvousHash } from "./policy/rendezvous-hash.ts";
export type { RendezvousHashOptions } from "./policy/rendezvous-hash.ts";
export { ringHash } from "./policy/ring-hash.ts";
export type { RingHashOptions } from "./policy/ring-hash.ts";
export { roundRobin } from "./policy/round-robin.ts";
export { slowStart } from "./policy/slow-start.ts";
export type { SlowStartOptions } from "./policy/slow-start.ts";
export { subset } from "./policy/subset.ts";
export type { SubsetOptions } from "./policy/subset.ts";
export { view } from "./policy/view.ts";
export type { ConnectionChange } from "./policy/view.ts";
export { weightedRoundRobin } from "./policy/weighted-round-robin.ts";
export type { LoadReportWeightOptions, WeightedRoundRobinOptions } from "./policy/weighted-round-robin.ts";
export { rawMethod } from "./raw-method.ts";
export type { RawMethodOptions } from "./raw-method.ts";
export type { RegistryEvent } from "./registry/event.ts";
export { peerSubset } from "./resolver/peer-subset.ts";
export type { PeerSubsetOptions } from "./resolver/peer-subset.ts";
export { pollingResolver } from "./resolver/polling.ts";
export type { PolledSet, PollingResolverOptions } from "./resolver/polling.ts";
export type { Resolution, Resolver, Staleness } from "./resolver/resolver.ts";
export type {
  FixedHedgingOptions,
  MethodConfig,
  MethodHedging,
  MethodRetryOptions,
  RetryBudget,
  ServiceConfig,
} from "./resolver/service-config.ts";
export { staticResolver } from "./resolver/static.ts";
export type { CallCounts, ClientCallCounts, SocketInfo, SocketSnapshot, StreamCounts } from "./snapshot.ts";
export type { BackoffOptions } from "./time/backoff.ts";
export type { Clock, Timer } from "./time/clock.ts";
export type { ConnectOptions } from "./transport/connect.ts";
export type { BalancedTransportOptions } from "./transport/options.ts";
export { createPullTransport } from "./transport/pull.ts";
export type { PullTransport, PullTransportOptions, RequestContext } from "./transport/pull.ts";
export type { EjectionSnapshot, EndpointSnapshot, OpeningCounts, TransportSnapshot } from "./transport/snapshot.ts";
export { createBalancedTransport } from "./transport/transport.ts";
export type { BalancedTransport } from "./transport/transport.ts";
