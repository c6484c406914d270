import type { Connector } from "../connection/link.ts";
import { EtcdClient } from "../etcd/client/client.ts";
import { createConnectDriver } from "../etcd/driver/connect/connect-driver.ts";
import { etcdLinkOptions } from "../etcd/driver/connect/link-options.ts";
import { EtcdError } from "../etcd/driver/failure.ts";
import { parseEtcdEndpoints } from "../etcd/endpoints.ts";
import { createRegistryOver } from "../etcd/registry.ts";
import type { Endpoint } from "../endpoint.ts";
import { textOf } from "../error-text.ts";
import { grpcConnector } from "../node/grpc-connector.ts";
import type { TlsSource } from "../node/tls-options.ts";
import type { RegistryEvent } from "../registry/event.ts";
import type { Layout } from "../registry/layout/layout.ts";
import { checkServiceName } from "../registry/options.ts";
import type { Registry } from "../registry/registry.ts";
import { systemClock } from "../time/clock.ts";
import type { EtcdUser } from "./etcd-user.ts";
import { CliError, EXIT, usageError } from "./exit.ts";

/** What an {@link EtcdTarget} is made of. */
export interface EtcdTargetOptions {
  /** URLs as the user gave them. */
  readonly endpoints: readonly string[];
  /** Where they are from: `--endpoints`, or a variable. Undefined: the default. */
  readonly from: string | undefined;
  readonly layoutName: string;
  readonly layout: Layout;
  /** Whether the user chose the layout, or its prefix; otherwise it is the default. */
  readonly layoutChosen: boolean;
  readonly tls: TlsSource | undefined;
  readonly user: EtcdUser | undefined;
  readonly requestTimeoutMs: number;
}

/** The etcd that a command talks to, and the layout of the keys there. */
export class EtcdTarget {
  readonly options: EtcdTargetOptions;
  readonly layout: Layout;
  readonly layoutName: string;
  /** etcd's endpoints, parsed. */
  readonly endpoints: readonly Endpoint[];
  /** What connects to them. */
  readonly connector: Connector;

  /** @throws CliError if an endpoint can't be one. */
  constructor(options: EtcdTargetOptions) {
    this.options = options;
    this.layout = options.layout;
    this.layoutName = options.layoutName;
    try {
      this.endpoints = parseEtcdEndpoints(options.endpoints);
    } catch (error) {
      throw usageError(`${options.from ?? "--endpoints"}: ${(error as Error).message}`);
    }
    const { requestTimeoutMs, tls } = options;
    this.connector = grpcConnector({ ...etcdLinkOptions({ requestTimeoutMs }), ...(tls === undefined ? {} : { tls }) });
  }

  /** The same etcd, with another layout. */
  withLayout(layoutName: string, layout: Layout): EtcdTarget {
    return new EtcdTarget({ ...this.options, layoutName, layout, layoutChosen: true });
  }

  /** The endpoints and where they are from, for messages: `http://127.0.0.1:2379 (CONNECT_LB_ETCD)`. */
  get where(): string {
    const { endpoints, from = "the default" } = this.options;
    return `${endpoints.join(", ")} (${from})`;
  }

  /** Checks a service's name. @throws CliError if no service can be called that in this layout. */
  checkService(service: string): void {
    try {
      checkServiceName(service, this.layout);
    } catch (error) {
      throw usageError((error as Error).message);
    }
  }

  /** A registry there. The caller closes it. */
  registry(onEvent?: (event: RegistryEvent) => void): Registry {
    const { endpoints, layout, user, requestTimeoutMs } = this.options;
    return createRegistryOver(() => createConnectDriver(this.connector), {
      endpoints,
      layout,
      requestTimeoutMs,
      ...(user === undefined ? {} : { username: user.name, password: user.password }),
      ...(onEvent === undefined ? {} : { onEvent }),
    });
  }

  /** A client there, for what registries don't do. The caller closes it. */
  client(): EtcdClient {
    const { user, requestTimeoutMs } = this.options;
    return new EtcdClient({
      driver: createConnectDriver(this.connector),
      endpoints: this.endpoints,
      user,
      requestTimeoutMs,
      clock: systemClock,
      random: Math.random,
      alone: true,
    });
  }

  /** What failed, as an error for the user: etcd that can't be reached, or that refused the user. */
  explain(error: unknown): CliError {
    if (error instanceof CliError) return error;
    if (error instanceof TypeError || error instanceof RangeError) return usageError(error.message);
    const message = textOf(error);
    if (error instanceof EtcdError && error.kind === "refused") {
      return new CliError(`etcd refused: ${message}`, { next: this.#aboutUser(), cause: error });
    }
    return new CliError(`can't reach etcd: ${message}`, {
      exitCode: EXIT.unreachable,
      next: this.#aboutReach(message),
      cause: error,
    });
  }

  #aboutUser(): string[] {
    const { user, layout } = this.options;
    const keys = JSON.stringify(layout.root ?? layout.prefix("SERVICE"));
    if (user === undefined) return ["this etcd wants a user: set ETCDCTL_USER=name:password"];
    return [
      `the user is ${user.name} (${user.from}): check its password, and that it may read the keys under ${keys}`,
      `as etcd's root: etcdctl user get ${user.name} --detail`,
    ];
  }

  #aboutReach(message: string): string[] {
    const { from, tls, endpoints } = this.options;
    const tried = from === undefined
      ? `tried ${endpoints.join(", ")}, the default: no --endpoints, CONNECT_LB_ETCD or ETCDCTL_ENDPOINTS`
      : `tried ${endpoints.join(", ")}, from ${from}`;
    const secure = tls !== undefined || endpoints.some((url) => /^https:/i.test(url));
    if (/certificate|self.signed|UnknownIssuer/i.test(message)) {
      return [tried, "its certificate isn't trusted: give the CA that signed it with --cacert or ETCDCTL_CACERT"];
    }
    if (/ECONNREFUSED|refused/i.test(message)) {
      return [tried, "nothing listens there: is etcd running? For development: connect-lb etcd"];
    }
    return [
      tried,
      secure
        ? "connect-lb doctor looks closer"
        : "if that etcd uses TLS, give https://…; connect-lb doctor looks closer",
    ];
  }
}
