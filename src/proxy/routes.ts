import type { CallEnvironment } from "../call/environment.ts";
import { checkOptions, type Checks, flag, kind, quoted, required, wholeNumber } from "../option.ts";
import { shownText } from "../shown-text.ts";
import { environments } from "../transport/environment.ts";
import { type BalancedTransport, createBalancedTransport } from "../transport/transport.ts";
import type { BalancedTransportOptions } from "../transport/options.ts";
import type { ProxyRoute } from "./options.ts";

/** How many routes the error of a call that matches none of them lists. */
const MOST_SHOWN = 10;

/** A route that is in use. */
export interface ServedRoute {
  /** In lower case; undefined: any. */
  readonly authority: string | undefined;
  readonly path: string;
  readonly port: number | undefined;
  readonly transport: BalancedTransport;
  readonly environment: CallEnvironment;
  /** Whether its servers speak `application/grpc+json`. */
  readonly json: boolean;
}

/** The routes of a proxy, the most specific ones first. */
export class Routes {
  readonly served: readonly ServedRoute[];
  /** The transports that are the proxy's own. */
  readonly #own: BalancedTransport[] = [];

  /** @throws TypeError or RangeError for an invalid route */
  constructor(routes: readonly ProxyRoute[]) {
    const served = routes.map((route, i) => this.#serve(route, `routes[${i}]`));
    const names = new Set<string>();
    for (const route of served) {
      const name = described(route);
      if (names.has(name)) throw new TypeError(`option routes has two routes for ${name}: which one should count?`);
      names.add(name);
    }
    this.served = served.sort((a, b) => rank(b) - rank(a) || b.path.length - a.path.length);
  }

  /** The route of a call; undefined if there is none. `port`: where it came in. */
  find(port: number, authority: string, path: string): ServedRoute | undefined {
    for (const route of this.served) {
      if (route.port !== undefined && route.port !== port) continue;
      if (route.authority !== undefined && !fitsAuthority(route.authority, authority)) continue;
      if (fitsPath(route.path, path)) return route;
    }
    return undefined;
  }

  /** What a client learns whose call has no route. */
  unserved(port: number, authority: string, path: string): string {
    return `proxy: no route for ${shownText(path)} of ${shownText(authority)}. It serves: ${this.#describe(port)}`;
  }

  #describe(port: number): string {
    const here = this.served.filter((route) => route.port === undefined || route.port === port);
    const shown = here.slice(0, MOST_SHOWN).map((route) => described({ ...route, port: undefined }));
    if (here.length > MOST_SHOWN) shown.push(`${here.length - MOST_SHOWN} more`);
    return shown.join(", ") || "nothing on this port";
  }

  /** Closes the transports that are the proxy's own. */
  async close(): Promise<void> {
    await Promise.all(this.#own.map((transport) => transport.close()));
  }

  #serve(route: ProxyRoute, name: string): ServedRoute {
    checkOptions("a route of createProxy()", route, ROUTE, `${name}.`);
    const { authority, json = false, path = "/", port, to } = route;
    const transport = this.#transport(to);
    const environment = environments.get(transport);
    if (environment === undefined) {
      throw new TypeError(
        `option ${name}.to is ${
          quoted(to)
        }: expected the options of createBalancedTransport(), or what it returned, without interceptors`,
      );
    }
    return { authority: authority?.toLowerCase(), path, port, transport, environment, json };
  }

  #transport(to: BalancedTransportOptions | BalancedTransport): BalancedTransport {
    if (isTransport(to)) return to;
    const own = createBalancedTransport(to);
    this.#own.push(own);
    return own;
  }
}

function isTransport(to: BalancedTransportOptions | BalancedTransport): to is BalancedTransport {
  return typeof (to as Partial<BalancedTransport>).unary === "function";
}

function rank({ authority, port }: ServedRoute): number {
  return (port === undefined ? 0 : 2) + (authority === undefined ? 0 : 1);
}

/** An authority without a port stands for all of them. */
function fitsAuthority(wanted: string, authority: string): boolean {
  if (authority.length < wanted.length) return false;
  const given = authority.toLowerCase();
  if (given === wanted) return true;
  return given.startsWith(wanted) && /^:[0-9]+$/.test(given.slice(wanted.length));
}

/** A path stands for what follows it after a slash; one that ends with a slash or a dot, for all that begins with it. */
function fitsPath(wanted: string, path: string): boolean {
  if (!path.startsWith(wanted)) return false;
  return path.length === wanted.length || wanted.endsWith("/") || wanted.endsWith(".") || path[wanted.length] === "/";
}

function described({ authority, path, port }: Pick<ServedRoute, "authority" | "path" | "port">): string {
  const where = port === undefined ? "" : ` on port ${port}`;
  return `${shownText(authority ?? "any authority")} ${shownText(path)}${where}`;
}

const ROUTE: Checks<ProxyRoute> = {
  authority: kind(
    'a host, with a port or without, such as "api.example"',
    (value) => typeof value === "string" && /^[\x21-\x2e\x30-\x7e]+$/.test(value),
  ),
  path: kind(
    'the beginning of a path, such as "/package.Service"',
    (value) => typeof value === "string" && /^\/[\x21-\x7e]*$/.test(value),
  ),
  port: wholeNumber(1, 65_535),
  json: flag,
  to: required(kind(
    "the options of createBalancedTransport(), such as { resolver, connector }, or what it returned",
    (value) => typeof value === "object" && value !== null,
  )),
};
