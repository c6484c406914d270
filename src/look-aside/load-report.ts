import type { ConnectRouter } from "@connectrpc/connect";
import { LoadReport } from "../../gen/grpclb/backend/v1/backend_pb.ts";
import type { RouteOptions } from "../grpc/server/options.ts";
import { checkOptions, type Checks, fn, required } from "../option.ts";

/** Options of {@link loadReportRoutes}. */
export interface LoadReportRoutesOptions {
  /**
   * Returns the server's load at this moment, from 0: the calls in flight, the jobs in a queue, a percentage. All servers
   * of a service use the same unit. It is rounded to a whole number.
   */
  readonly score: () => number;
}

const OPTIONS: Checks<LoadReportRoutesOptions> = { score: required(fn("a function, () => number")) };

/**
 * Tells a look-aside balancer how loaded this server is: adds bsm/grpclb's `grpclb.backend.v1.LoadReport` to any Connect
 * router.
 *
 * ```ts
 * import { loadReportRoutes } from "connect-lb/look-aside";
 * import { createGrpcServer } from "connect-lb/server";
 * import { Simple } from "./gen/simple_pb.ts";
 *
 * const reportLoad = loadReportRoutes({ score: () => server.snapshot().inFlight });
 * const server = createGrpcServer({
 *   routes: (router) => {
 *     router.service(Simple, { route: ({ data }) => ({ code: 200, value: `hello ${data}` }) });
 *     reportLoad(router);
 *   },
 * });
 * ```
 *
 * @throws TypeError for an invalid option.
 */
export function loadReportRoutes(
  options: LoadReportRoutesOptions,
): (router: ConnectRouter, options?: RouteOptions) => void {
  checkOptions("loadReportRoutes()", options, OPTIONS);
  const { score } = options;
  return (router, routeOptions) => {
    router.service(LoadReport, { load: () => ({ score: wholeScore(score()) }) }, routeOptions);
  };
}

/** A score as the protocol has it; what is no number counts as 0. */
export function wholeScore(score: number): bigint {
  const whole = Math.round(score);
  return Number.isFinite(whole) && whole > 0 ? BigInt(Math.min(whole, Number.MAX_SAFE_INTEGER)) : 0n;
}
