/**
 * Look-aside load balancing: a balancer beside the calls tells clients which servers to call.
 *
 * The protocol is that of bsm/grpclb, whose balancer is polled for addresses and scores: {@link lookAsideResolver} is
 * the client's end, {@link lookAsideBalancer} the balancer's, {@link loadReportRoutes} the servers'.
 *
 * @module
 */
export type { BalancerAddressOptions } from "./look-aside/balancer-transport.ts";
export { type LookAsideBalancer, lookAsideBalancer, type LookAsideBalancerOptions } from "./look-aside/balancer.ts";
export { loadReportRoutes, type LoadReportRoutesOptions } from "./look-aside/load-report.ts";
export { lookAsideResolver, type LookAsideResolverOptions, weightOfScore } from "./look-aside/resolver.ts";
