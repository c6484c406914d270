import { quoted } from "./option.ts";

/**
 * An address that can serve calls, with attributes for policies.
 *
 * Its identity is `address` + `secure` + `authority`: two endpoints with the same values are the same endpoint, and the
 * other fields change in place. A new `incarnation` means that the server was restarted.
 */
export interface Endpoint {
  /**
   * `host:port`; an IPv6 host is in brackets, optionally with a zone: `[::1]:8000`, `[fe80::1%eth0]:8000`. With Node's
   * links, also `unix:/path/of/socket`.
   */
  readonly address: string;
  /** Whether the server uses TLS. If undefined, the connector's configuration decides. */
  readonly secure?: boolean;
  /** The name to call the server by (`:authority`, TLS server name). If undefined, the address. */
  readonly authority?: string;
  /** Changes when the server registers anew (etcd: the key's create revision); its backoff is then reset. */
  readonly incarnation?: string;
  /**
   * Its share of calls relative to other endpoints, above 0. If undefined, the mean of those that have one. The default
   * policy obeys it.
   */
  readonly weight?: number;
  /** Where the server is located; for policies that prefer nearby servers. */
  readonly zone?: string;
  /** Anything else that the registry stores. */
  readonly metadata?: unknown;
}

const FIELDS: Record<keyof Endpoint, true> = {
  address: true,
  secure: true,
  authority: true,
  incarnation: true,
  weight: true,
  zone: true,
  metadata: true,
};

/** The names of an endpoint's fields. */
export const ENDPOINT_FIELDS: readonly string[] = Object.keys(FIELDS);

/** The two parts of an address; an IPv6 host has no brackets here. */
export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/** A DNS name of at most 253 characters, or an IPv4 address: letters, digits, `_` and inner `-`, separated by dots. */
const NAME = /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\.?$/;
const IPV6 = /^[0-9A-Fa-f:.]{2,45}$/;
/**
 * The network interface of this machine that a link-local address belongs to (RFC 4007 section 11): its name or number.
 */
const ZONE = /%[A-Za-z0-9._~-]{1,64}$/;
const PORT = /^[1-9][0-9]{0,4}$/;
const EXPECTED = `"host:port", for example "10.0.0.5:8000" or "[::1]:8000"`;

/**
 * Splits `host:port`.
 *
 * @throws TypeError if it is not a string of that form, RangeError if the port is not between 1 and 65535; the message
 * names the value and what is expected.
 */
export function parseAddress(address: string): HostAndPort {
  const wrong = (why: string) => new TypeError(`address ${quoted(address)} ${why}: expected ${EXPECTED}`);
  if (typeof address !== "string") throw wrong("is not a string");
  if (address === "") throw wrong("is empty");
  if (/^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(address)) throw wrong("is a URL");
  // deno-lint-ignore no-control-regex -- these are what must not get through
  if (/[\s\u0000-\u001f\u007f]/.test(address)) throw wrong("has a space or a control character");
  if (unixPath(address) !== undefined) throw wrong("is a Unix socket, which can't be used here");
  if (/[/?#@]/.test(address)) throw wrong("has a path, a query or user information");
  let host: string, port: string;
  if (address.startsWith("[")) {
    const end = address.indexOf("]");
    host = address.slice(1, end < 0 ? undefined : end);
    if (end < 0 || !isIPv6(host)) throw wrong("has no IPv6 address between its brackets");
    if (address[end + 1] !== ":") throw wrong("has no port");
    port = address.slice(end + 2);
  } else {
    const colon = address.lastIndexOf(":");
    if (colon < 0) throw wrong("has no port");
    host = address.slice(0, colon);
    port = address.slice(colon + 1);
    if (host.includes(":")) throw wrong("has an IPv6 host without brackets");
    if (host === "") throw wrong("has no host");
    if (!NAME.test(host)) throw wrong("has a host that is neither a name nor an IP address");
  }
  if (!/^[0-9]+$/.test(port)) throw wrong("has no numeric port");
  if (!PORT.test(port) || Number(port) > 65535) {
    throw new RangeError(`address ${quoted(address)} has a port outside 1 to 65535: expected ${EXPECTED}`);
  }
  return { host, port: Number(port) };
}

/** The prefix of a Unix socket's address, for links that can open one. */
const UNIX = "unix:";

/** The path of a `unix:/path/of/socket` address, or undefined for any other address. */
export function unixPath(address: string): string | undefined {
  return address.startsWith(UNIX) && address.length > UNIX.length ? address.slice(UNIX.length) : undefined;
}

/** Checks an address supplied by the program itself: `host:port` or `unix:/path`. Throws like {@link parseAddress}. */
export function checkEndpointAddress(address: string): void {
  if (typeof address !== "string" || unixPath(address) === undefined) parseAddress(address);
}

/** A host, optionally with a port, without characters that could point elsewhere in a URL or end a header. */
const AUTHORITY = /^[A-Za-z0-9_.:\[\]-]+$/;

/**
 * Checks an endpoint that comes from outside the library: a user's list or resolver.
 *
 * @throws TypeError or RangeError that names the value and what is expected.
 */
export function checkEndpoint(endpoint: unknown): asserts endpoint is Endpoint {
  if (typeof endpoint !== "object" || endpoint === null) {
    throw new TypeError(
      `endpoint ${quoted(endpoint)}: expected an address or an object like { address: "10.0.0.5:8000" }`,
    );
  }
  const { address, secure, authority, incarnation, weight, zone } = endpoint as Partial<Endpoint>;
  checkEndpointAddress(address as string);
  const wrong = (what: string, value: unknown, expected: string) => {
    return new TypeError(`endpoint ${address} has ${what} ${quoted(value)}: expected ${expected}`);
  };
  if (secure !== undefined && typeof secure !== "boolean") throw wrong("secure", secure, "a boolean");
  if (authority !== undefined && !(typeof authority === "string" && AUTHORITY.test(authority))) {
    throw wrong("the authority", authority, "a host, or a host and a port");
  }
  if (incarnation !== undefined && typeof incarnation !== "string") {
    throw wrong("the incarnation", incarnation, "a string");
  }
  if (zone !== undefined && typeof zone !== "string") throw wrong("the zone", zone, "a string");
  if (weight !== undefined && typeof weight !== "number") throw wrong("the weight", weight, "a number above 0");
  if (weight !== undefined && !(weight > 0 && weight < Infinity)) {
    throw new RangeError(`endpoint ${address} has the weight ${weight}: expected a finite number above 0`);
  }
}

/** The URL parser implements all of RFC 4291's grammar, but no zones. */
function isIPv6(host: string): boolean {
  const ip = withoutZone(host);
  return IPV6.test(ip) && URL.canParse(`http://[${ip}]/`);
}

/** Strips an IPv6 address of its zone id, which means nothing to other machines; returns any other host unchanged. */
export function withoutZone(host: string): string {
  return host.replace(ZONE, "");
}

/** Whether a host means "every interface": a server can listen on it, but a client can't call it. */
export function isWildcardHost(host: string): boolean {
  return /^0+(\.0+){0,3}$/.test(host) || (isIPv6(host) && /^\[(::|::0\.0\.0\.0)\]$/.test(canonicalIPv6(host)));
}

function canonicalIPv6(host: string): string {
  return new URL(`http://[${withoutZone(host)}]/`).hostname;
}

/** A string that is equal for two endpoints if and only if they are the same one: address, secure and authority. */
export function endpointIdentity(endpoint: Endpoint): string {
  return `${endpoint.address} ${endpoint.secure ?? ""} ${endpoint.authority ?? ""}`;
}
