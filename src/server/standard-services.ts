import type { ConnectRouter } from "@connectrpc/connect";
import type { ServiceOptions } from "../grpc/server/options.ts";
import type { CallRecorder } from "../grpc/server/recorder.ts";
import { createHealth, type ServerHealth } from "./health.ts";
import { reportLoad } from "./load-report.ts";
import type { GrpcServerOptions } from "./options.ts";
import { reflectionRoutes } from "./reflection.ts";

/** What a server serves, with the standard services that its options switch on. */
export interface StandardServices {
  readonly options: ServiceOptions;
  readonly health: ServerHealth | undefined;
  /** What hears of the calls. */
  readonly recorder: CallRecorder | undefined;
  /** The names of the server's own services. */
  readonly names: Set<string>;
}

/** Adds the standard services to a server's own. Their streams end with `ended`. */
export function withStandardServices(options: GrpcServerOptions<unknown>, ended: AbortSignal): StandardServices {
  const { reflection = false, routes } = options;
  const health = given(options.health, createHealth);
  const loadReports = given(options.loadReports, reportLoad);
  const names = new Set<string>();
  const standard = { shutdownSignal: ended };
  return {
    health,
    recorder: loadReports?.recorder,
    names,
    options: {
      ...options,
      routes(router: ConnectRouter) {
        const registered = routes(router);
        for (const { service } of router.handlers) names.add(service.typeName);
        health?.routes(router, standard);
        loadReports?.routes(router, standard);
        options.channelz?.routes(router, standard);
        if (reflection !== false) reflectionRoutes(router, reflection === true ? {} : reflection, standard);
        return registered;
      },
    },
  };
}

function given<T>(option: boolean | T | undefined, make: () => T): T | undefined {
  return option === true ? make() : option === false ? undefined : option;
}
