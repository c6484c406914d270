import type { DescMethod } from "@bufbuild/protobuf";
import type { Interceptor, Transport } from "@connectrpc/connect";
import { fetchConnector } from "../../fetch/connector.ts";
import { checkOptions, type Checks, interceptors, milliseconds, text } from "../../option.ts";
import { checkServiceName } from "../../registry/options.ts";
import { checkNamespace, objectNamed, type ObjectNamespace } from "./platform.ts";
import { describeMethod, METHOD_HEADER, SERVICE_HEADER } from "./protocol.ts";

/** Options of {@link objectTransport}. */
export interface ObjectTransportOptions {
  /**
   * The object's name. Defaults to the service's: one object for each service. An object is in one place and has one
   * thread, so spread the calls of a busy service, or of callers far apart, over several: `${service} ${region}`.
   */
  readonly name?: string;
  /** Connect interceptors, which run in the Worker. */
  readonly interceptors?: readonly Interceptor[];
  /** The timeout of calls without one, in milliseconds. Defaults to none. */
  readonly defaultTimeoutMs?: number;
}

const OPTIONS: Checks<ObjectTransportOptions> = { name: text, interceptors, defaultTimeoutMs: milliseconds };

/**
 * A Transport that calls a service's servers through a Durable Object of `createBalancerObject`, which picks a server for
 * each call. It may be created for each request, at no cost. It carries unary calls and server streams; the messages of
 * a client stream are collected and sent together; bidirectional streams fail with Unimplemented.
 *
 * ```ts
 * import type { Transport } from "@connectrpc/connect";
 * import { type ObjectNamespace, objectTransport } from "connect-lb/workers";
 *
 * export function transportOf(env: { BALANCER: ObjectNamespace }): Transport {
 *   return objectTransport(env.BALANCER, "simple_grpc");
 * }
 * ```
 *
 * @throws TypeError or RangeError for a missing binding, an invalid service's name or option.
 */
export function objectTransport<Id>(
  namespace: ObjectNamespace<Id>,
  service: string,
  options: ObjectTransportOptions = {},
): Transport {
  checkNamespace("objectTransport()", namespace);
  checkServiceName(service, { slashes: true });
  checkOptions("objectTransport()", options, OPTIONS);
  const { name = service, interceptors, defaultTimeoutMs } = options;
  const connector = fetchConnector({
    protocol: "grpc-web",
    fetch: (url, init) => objectNamed(namespace, name).fetch(url, init),
    headers: { [SERVICE_HEADER]: encodeURIComponent(service) },
    interceptors: interceptors === undefined ? undefined : [...interceptors],
    defaultTimeoutMs,
  });
  const { transport } = connector({ address: "balancer.object:80" }, { draining() {}, lost() {} });
  return {
    unary: (method, signal, timeoutMs, header, ...rest) =>
      transport.unary(method, signal, timeoutMs, withMethod(method, header), ...rest),
    stream: (method, signal, timeoutMs, header, ...rest) =>
      transport.stream(method, signal, timeoutMs, withMethod(method, header), ...rest),
  };
}

function withMethod(method: DescMethod, header: HeadersInit | undefined): Headers {
  const headers = new Headers(header);
  headers.set(METHOD_HEADER, describeMethod(method));
  return headers;
}
