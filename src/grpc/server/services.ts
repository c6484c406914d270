import type { ContextValues } from "@connectrpc/connect";
import type { UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { Cors } from "./cors.ts";
import { type ErrorReport, errorReport } from "./error-report.ts";
import type { IncomingRequest, ServiceOptions } from "./options.ts";
import { RecordingRouter, Routes } from "./router.ts";

/** What a server serves, whatever its requests arrive on. */
export class Services {
  readonly routes: Routes;
  readonly report: ErrorReport;
  readonly contextValues: ((request: IncomingRequest) => ContextValues) | undefined;
  readonly #cors: Cors | undefined;

  /** @throws TypeError or RangeError for an invalid option of a service, and whatever `routes` throws */
  constructor(options: ServiceOptions) {
    this.report = errorReport(options.onError);
    this.contextValues = options.contextValues;
    this.#cors = options.cors === undefined ? undefined : new Cors(options.cors);
    this.routes = new Routes(options.requestPathPrefix ?? "");
    options.routes(new RecordingRouter(options, this.routes, this.report));
  }

  /** Answers a request by one of Connect's handlers, which speak all of its protocols. */
  readonly answer = async (request: UniversalServerRequest): Promise<UniversalServerResponse> => {
    const preflight = this.#cors?.preflight(request);
    if (preflight !== undefined) return preflight;
    const route = this.routes.find(pathOf(request.url));
    const response = route === undefined ? { status: 404 } : await route.universal(request);
    return this.#cors === undefined ? response : this.#cors.readable(request, response);
  };
}

/** The path of a URL as the client sent it, with the query: what leads to a method must not be spelled in many ways. */
function pathOf(url: string): string {
  return url.slice(url.indexOf("/", url.indexOf("://") + 3));
}
