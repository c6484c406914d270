import { quoted } from "../option.ts";
import type { Resolver } from "../resolver/resolver.ts";
import { staticResolver } from "../resolver/static.ts";

/**
 * Makes the resolver of a target.
 *
 * @param name what follows the scheme and the authority, percent-decoded: `simple_grpc`, `api.example.com:8000`
 * @param authority what stands between `//` and the next `/`, such as a DNS server; usually empty
 */
export type TargetResolver = (name: string, authority: string) => Resolver;

/** gRPC's default port. */
const PORT = 443;

/** The schemes that need nothing from the program. */
const BUILT_IN: ReadonlyMap<string, TargetResolver> = /* @__PURE__ */ (() =>
  new Map<string, TargetResolver>([
    ["ipv4", (name) => staticResolver(name.split(",").map((item) => item.includes(":") ? item : `${item}:${PORT}`))],
    ["ipv6", (name) => staticResolver(name.split(",").map(ipv6Address))],
    ["unix", (name) => staticResolver([`unix:${name}`])],
  ]))();

/**
 * Finds the resolver of a target as gRPC spells it (gRPC's naming.md): `scheme:name` or `scheme://authority/name`.
 *
 * ```ts
 * import { createEtcdRegistry } from "connect-lb/etcd";
 * import { dnsResolver } from "connect-lb/node";
 * import { parseTarget } from "connect-lb/service-config";
 *
 * const registry = createEtcdRegistry({ endpoints: ["http://127.0.0.1:2379"] });
 * const resolver = parseTarget("etcd:///simple_grpc", {
 *   etcd: (name) => registry.resolver(name),
 *   dns: (name) => dnsResolver(name),
 * });
 * ```
 *
 * `ipv4:10.0.0.1:8000,10.0.0.2:8000`, `ipv6:[2001:db8::1]:8000` and `unix:/path` need no resolver. As in gRPC, their
 * port is 443 unless they have one, and a target without a scheme is of the scheme `dns`: `api.example.com:8000`.
 *
 * @throws TypeError if the target is invalid or there is no resolver for its scheme, and whatever that resolver throws.
 */
export function parseTarget(target: string, resolvers: Readonly<Record<string, TargetResolver>> = {}): Resolver {
  const wrong = (why: string) => new TypeError(`target ${quoted(target)} ${why}`);
  if (typeof target !== "string" || target === "") throw wrong('is not a target such as "etcd:///simple_grpc"');
  if (typeof resolvers !== "object" || resolvers === null) {
    throw new TypeError(`parseTarget() takes resolvers by scheme, not ${quoted(resolvers)}`);
  }
  const find = (scheme: string) => Object.hasOwn(resolvers, scheme) ? resolvers[scheme] : BUILT_IN.get(scheme);
  const { scheme, authority, name } = partsOf(target, (known) => find(known) !== undefined);
  const resolver = find(scheme);
  if (typeof resolver !== "function") {
    const known = [...new Set([...Object.keys(resolvers), ...BUILT_IN.keys()])].join(", ");
    throw wrong(`has the scheme ${quoted(scheme)}, which has no resolver: there are ${known}`);
  }
  // deno-lint-ignore no-control-regex -- these are what must not get through
  if (/[?#\s\u0000-\u001f\u007f]/.test(target)) throw wrong("has a query, a fragment, a space or a control character");
  const decoded = decode(name);
  if (decoded === undefined) throw wrong("has a % that is not followed by the digits of UTF-8");
  if (decoded === "") throw wrong("has no name after its scheme");
  const made = resolver(decoded, authority);
  if (typeof made?.resolve === "function") return made;
  throw wrong(`is not resolved: the function for ${quoted(scheme)} returned ${quoted(made)}, not a resolver`);
}

interface TargetParts {
  readonly scheme: string;
  readonly authority: string;
  readonly name: string;
}

function partsOf(target: string, isKnown: (scheme: string) => boolean): TargetParts {
  const [, given = "", rest = ""] = /^([A-Za-z][A-Za-z0-9+.-]*):(.*)$/s.exec(target) ?? [];
  const scheme = given.toLowerCase();
  const [, authority, path = ""] = /^\/\/([^/]*)(.*)$/s.exec(rest) ?? [];
  if (given !== "" && authority !== undefined) {
    // The path of a Unix socket keeps its slash.
    return { scheme, authority, name: scheme === "unix" ? path : path.slice(1) };
  }
  const isPort = /^\d+$/.test(rest) && !isKnown(scheme);
  if (given === "" || isPort) return { scheme: "dns", authority: "", name: target };
  return { scheme, authority: "", name: rest };
}

function decode(name: string): string | undefined {
  try {
    return decodeURIComponent(name);
  } catch {
    return undefined;
  }
}

/** With brackets and a port. */
function ipv6Address(item: string): string {
  if (!item.startsWith("[")) return `[${item}]:${PORT}`;
  return item.endsWith("]") ? `${item}:${PORT}` : item;
}
