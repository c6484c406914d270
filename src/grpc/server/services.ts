import type { ContextValues } from "@connectrpc/connect";
import type { Peer } from "../../http2/server/peer.ts";
import { type Clock, systemClock } from "../../time/clock.ts";
import type { UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { type CallCounter, newCounter } from "../../snapshot.ts";
import { Cors } from "./cors.ts";
import { type ErrorReport, errorReport } from "./error-report.ts";
import type { Observers } from "./observed-call.ts";
import type { IncomingRequest, ServiceOptions } from "./options.ts";
import { isPromise } from "./promise.ts";
import { answerRecorded } from "./recorded-call.ts";
import type { CallRecorder } from "./recorder.ts";
import type { Route } from "./route.ts";
import { RecordingRouter, Routes } from "./router.ts";
import { withTimerLimit } from "./timer-limit.ts";

/** What a server serves, whatever its requests arrive on. */
export class Services {
  readonly routes: Routes;
  readonly report: ErrorReport;
  readonly contextValues: ((request: IncomingRequest) => ContextValues) | undefined;
  /** What hears of the calls. */
  readonly recorder: CallRecorder | undefined;
  /** Undefined: nobody observes calls. */
  readonly observers: Observers | undefined;
  /** How many calls there were. */
  readonly calls: CallCounter = newCounter();
  readonly #cors: Cors | undefined;

  /** @throws TypeError or RangeError for an invalid option of a service, and whatever `routes` throws */
  constructor(options: ServiceOptions, recorder?: CallRecorder, clock: Clock = systemClock) {
    this.recorder = recorder;
    const all = [...options.observers ?? []];
    const observers = this.observers = all.length === 0 ? undefined : { all, clock };
    this.report = errorReport(options.onError);
    this.contextValues = options.contextValues && checkedValues(options.contextValues);
    this.#cors = options.cors === undefined ? undefined : new Cors(options.cors);
    this.routes = new Routes(options.requestPathPrefix ?? "");
    const router = new RecordingRouter(options, {
      routes: this.routes,
      report: this.report,
      recorder,
      observers,
      calls: this.calls,
    });
    const registered = options.routes(router);
    if (!isPromise(registered)) return;
    Promise.resolve(registered).catch(() => {}); // What it fails with later matters no more.
    throw new TypeError(
      "option routes returned a promise: services must be registered before it returns. Await what they need first, " +
        "and create the server then",
    );
  }

  /** Answers a request by one of Connect's handlers, which speak all of its protocols. */
  readonly answer = async (request: UniversalServerRequest, peer: Peer): Promise<UniversalServerResponse> => {
    const preflight = this.#cors?.preflight(request);
    if (preflight !== undefined) return preflight;
    const route = this.routes.find(pathOf(request.url));
    const response = route === undefined ? { status: 404 } : await this.#call(route, request, peer);
    return this.#cors === undefined ? response : this.#cors.readable(request, response);
  };

  #call(route: Route, received: UniversalServerRequest, peer: Peer): Promise<UniversalServerResponse> {
    const header = withTimerLimit(received.header, route.options.maxTimeoutMs);
    const request = header === received.header ? received : { ...received, header };
    if (this.recorder === undefined && this.observers === undefined) return route.universal(request);
    return answerRecorded(this, route, request, peer);
  }
}

type ContextValuesOption = NonNullable<ServiceOptions["contextValues"]>;

function checkedValues(contextValues: ContextValuesOption): ContextValuesOption {
  return (request) => {
    const values = contextValues(request);
    if (!isPromise(values)) return values;
    Promise.resolve(values).catch(() => {});
    throw new TypeError(
      "option contextValues returned a promise: await what it needs in a requestGate or in an interceptor",
    );
  };
}

/** The path of a URL as the client sent it, with the query: what leads to a method must not be spelled in many ways. */
function pathOf(url: string): string {
  return url.slice(url.indexOf("/", url.indexOf("://") + 3));
}
