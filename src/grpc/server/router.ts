import type { DescMethod, DescService } from "@bufbuild/protobuf";
import {
  type ConnectRouter,
  createConnectRouter,
  createMethodImplSpec,
  createServiceImplSpec,
  type MethodImpl,
  type MethodImplSpec,
  type ServiceImpl,
} from "@connectrpc/connect";
import { type UniversalHandler, validateUniversalHandlerOptions } from "@connectrpc/connect/protocol";
import { checkOptions, givenOf } from "../../option.ts";
import { DEFAULT_READ_MAX_BYTES } from "../message-options.ts";
import { type ErrorReport, reportingGate, reportingInterceptor } from "./error-report.ts";
import { resolveRouteOptions, ROUTE_OPTIONS, type RouteOptions, SERVER_COMPRESSIONS } from "./options.ts";
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

const NAMES = Object.keys(ROUTE_OPTIONS);

/**
 * A Connect router that also records what it is given, with the options of each service, for this library's own gRPC.
 * Connect's handlers get the same for the other protocols.
 */
export class RecordingRouter implements ConnectRouter {
  readonly #options: RouteOptions;
  readonly #routes: Routes;
  readonly #report: ErrorReport;
  readonly #inner: ConnectRouter;

  constructor(options: RouteOptions, routes: Routes, report: ErrorReport) {
    this.#options = givenOf(options, NAMES);
    this.#routes = routes;
    this.#report = report;
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
    return { ...this.#options, ...givenOf(options, NAMES) };
  }

  /** The options with this library's defaults, and with errors reported. */
  #forConnect(options: RouteOptions): RouteOptions {
    const { interceptors = [], requestGate } = options;
    if (requestGate !== undefined && validateUniversalHandlerOptions({ requestGate }).requestGate === undefined) {
      throw new TypeError("option requestGate needs a newer @connectrpc/connect: this one would ignore it");
    }
    return {
      readMaxBytes: DEFAULT_READ_MAX_BYTES,
      acceptCompression: [...SERVER_COMPRESSIONS],
      ...options,
      interceptors: [reportingInterceptor(this.#report), ...interceptors],
      ...requestGate !== undefined && { requestGate: reportingGate(this.#report, requestGate) },
    };
  }

  #record(specs: readonly MethodImplSpec[], options: RouteOptions, from: number): void {
    const resolved = resolveRouteOptions(options);
    const handlers = this.handlers.slice(from);
    for (const spec of specs) {
      const universal = handlers.find((handler) => handler.method === spec.method);
      if (universal !== undefined) this.#routes.add(new Route(spec, resolved, universal));
    }
  }
}
