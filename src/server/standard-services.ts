import type { ConnectRouter } from "@connectrpc/connect";
import type { ServiceOptions } from "../grpc/server/options.ts";
import type { GrpcServerOptions } from "./options.ts";
import { reflectionRoutes } from "./reflection.ts";

/**
 * A server's services with the standard ones that it switches on, whose streams end with `ended`. The names of its own
 * services go to `names`.
 */
export function withStandardServices(
  options: GrpcServerOptions<unknown>,
  ended: AbortSignal,
  names: Set<string>,
): ServiceOptions {
  const { health, interceptors = [], loadReports, reflection = false, routes } = options;
  const standard = { shutdownSignal: ended };
  return {
    ...options,
    interceptors: loadReports === undefined ? interceptors : [loadReports.interceptor, ...interceptors],
    routes(router: ConnectRouter) {
      routes(router);
      for (const { service } of router.handlers) names.add(service.typeName);
      health?.routes(router, standard);
      loadReports?.routes(router, standard);
      if (reflection !== false) reflectionRoutes(router, reflection === true ? {} : reflection, standard);
    },
  };
}
