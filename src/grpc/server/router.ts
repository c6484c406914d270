import type { DescMethod, DescService } from "@bufbuild/protobuf";
import {
  type ConnectRouter,
  createConnectRouter,
  createMethodImplSpec,
  createServiceImplSpec,
  type Interceptor,
  type MethodImpl,
  type MethodImplSpec,
  type ServiceImpl,
} from "@connectrpc/connect";
import { type UniversalHandler, validateUniversalHandlerOptions } from "@connectrpc/connect/protocol";
import { checkOptions, givenOf } from "../../option.ts";
import type { CallCounter } from "../../snapshot.ts";
import { DEFAULT_READ_MAX_BYTES } from "../message-options.ts";
import { countingInterceptor } from "./counted-call.ts";
import { type ErrorReport, reportingGate, reportingInterceptor } from "./error-report.ts";
import { resolveRouteOptions, ROUTE_OPTIONS, type RouteOptions, SERVER_COMPRESSIONS } from "./options.ts";
import type { Observers } from "./observed-call.ts";
import { recordingGate, recordingInterceptor } from "./recorded-call.ts";
import type { CallRecorder } from "./recorder.ts";
import { Route } from "./route.ts";

/** The methods of a server, by their paths. */
export class Routes {
  readonly #byPath = new Map<string, Route>();
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** All methods, in the order in which they were registered. */
  get all(): Iterable<Route> {
    return this.#byPath.values();
  }

  /** As in Connect, a method that is registered again replaces the previous one. */
  add(route: Route): void {
    this.#byPath.set(this.#prefix + route.universal.requestPath, route);
  }

  /** The method of a `:path`, which may have a query. */
  find(path: string): Route | undefined {
    const route = this.#byPath.get(path);
    if (route !== undefined) return route;
    const query = path.indexOf("?");
    return query < 0 ? undefined : this.#byPath.get(path.slice(0, query));
  }
}

/** What a {@link RecordingRouter} serves. */
export interface RouterHost {
  readonly routes: Routes;
  readonly report: ErrorReport;
  /** What hears of the calls. */
  readonly recorder: CallRecorder | undefined;
  readonly observers: Observers | undefined;
  /** What counts the calls. */
  readonly calls: CallCounter;
}

const NAMES = Object.keys(ROUTE_OPTIONS);

/**
 * A Connect router that also records what it is given, with the options of each service, for this library's own gRPC.
 * Connect's handlers get the same for the other protocols.
 */
export class RecordingRouter implements ConnectRouter {
  readonly #options: RouteOptions;
  readonly #host: RouterHost;
  readonly #inner: ConnectRouter;

  constructor(options: RouteOptions, host: RouterHost) {
    this.#host = host;
    this.#options = this.#given(options);
    this.#inner = createConnectRouter(this.#forConnect(this.#options));
  }

  get handlers(): UniversalHandler[] {
    return this.#inner.handlers;
  }

  readonly service = <T extends DescService>(
    service: T,
    implementation: Partial<ServiceImpl<T>>,
    options: RouteOptions = {},
  ): this => {
    const own = this.#merged("router.service()", options);
    const before = this.handlers.length;
    this.#inner.service(service, implementation, this.#forConnect(own));
    const specs = Object.values(createServiceImplSpec(service, implementation).methods);
    this.#record(specs, own, before);
    return this;
  };

  readonly rpc = <M extends DescMethod>(method: M, impl: MethodImpl<M>, options: RouteOptions = {}): this => {
    const own = this.#merged("router.rpc()", options);
    const before = this.handlers.length;
    this.#inner.rpc(method, impl, this.#forConnect(own));
    this.#record([createMethodImplSpec(method, impl)], own, before);
    return this;
  };

  /** A service's options, in place of the router's. An undefined one counts as omitted. */
  #merged(taker: string, options: RouteOptions): RouteOptions {
    checkOptions(taker, options, ROUTE_OPTIONS);
    return { ...this.#options, ...this.#given(options) };
  }

  #given(options: RouteOptions): RouteOptions {
    const given = givenOf(options, NAMES), { recorder } = this.#host;
    if (recorder === undefined || given.interceptors === undefined) return given;
    return { ...given, interceptors: given.interceptors.filter((interceptor) => interceptor !== recorder.interceptor) };
  }

  /** The options with this library's defaults, and with errors reported. */
  #forConnect(options: RouteOptions): RouteOptions {
    const { interceptors = [], requestGate } = options;
    const { calls, observers, recorder, report } = this.#host;
    if (requestGate !== undefined && validateUniversalHandlerOptions({ requestGate }).requestGate === undefined) {
      throw new TypeError("option requestGate needs a newer @connectrpc/connect: this one would ignore it");
    }
    let gate = requestGate && reportingGate(report, requestGate);
    const recorded = recorder !== undefined || observers !== undefined;
    if (gate !== undefined && recorded) gate = recordingGate(recorder, gate);
    return {
      readMaxBytes: DEFAULT_READ_MAX_BYTES,
      acceptCompression: [...SERVER_COMPRESSIONS],
      ...options,
      interceptors: [
        countingInterceptor(calls),
        ...recorded ? [recorder?.interceptor ?? recordingInterceptor(undefined)] : [],
        reportingInterceptor(report),
        ...this.#outermost,
        ...interceptors,
      ],
      ...requestGate !== undefined && { requestGate: gate },
    };
  }

  /** The interceptors of observers. */
  get #outermost(): Interceptor[] {
    return this.#host.observers?.all.flatMap(({ interceptor }) => interceptor ?? []) ?? [];
  }

  #record(specs: readonly MethodImplSpec[], options: RouteOptions, from: number): void {
    const resolved = resolveRouteOptions({
      ...options,
      interceptors: [...this.#outermost, ...options.interceptors ?? []],
    });
    const handlers = this.handlers.slice(from);
    for (const spec of specs) {
      const universal = handlers.find((handler) => handler.method === spec.method);
      if (universal !== undefined) this.#host.routes.add(new Route(spec, resolved, universal));
    }
  }
}
