/**
 * Look-aside load balancing: a balancer beside the calls tells clients which servers to call.
 *
 * Two protocols: that of bsm/grpclb, whose balancer is polled for addresses and scores ({@link lookAsideResolver} is the
 * client's end, {@link lookAsideBalancer} the balancer's, {@link loadReportRoutes} the servers'), and gRPC's own,
 * `grpc.lb.v1`, whose balancer sends lists ({@link grpclbResolver}).
 *
 * @module
 */
export type { BalancerAddressOptions } from "./look-aside/balancer-transport.ts";
export { type LookAsideBalancer, lookAsideBalancer, type LookAsideBalancerOptions } from "./look-aside/balancer.ts";
export { grpclbResolver, type GrpclbResolverOptions } from "./look-aside/grpclb/resolver.ts";
export { loadReportRoutes, type LoadReportRoutesOptions } from "./look-aside/load-report.ts";
export { lookAsideResolver, type LookAsideResolverOptions, weightOfScore } from "./look-aside/resolver.ts";
