import { type Endpoint, parseAddress } from "../endpoint.ts";
import { quoted } from "../option.ts";

const EXPECTED = `a URL such as "http://127.0.0.1:2379" or "https://etcd.example:2379", or "host:port"`;

/** A URL that may have a path: scheme, host with or without port, path. */
const GATEWAY = /^(https?):\/\/([^/?#]*)(\/[\w.~!$&'()*+,;=:@%\/-]*)?$/i;

/**
 * Parses the `endpoints` option.
 *
 * @throws TypeError or RangeError if it is not a list of etcd endpoints; the message names the value.
 */
export function parseEtcdEndpoints(
  endpoints: unknown,
  parse: (endpoint: unknown) => Endpoint = parseEtcdEndpoint,
): readonly Endpoint[] {
  if (!Array.isArray(endpoints) || endpoints.length === 0) {
    const given = Array.isArray(endpoints) ? "an empty array" : quoted(endpoints);
    throw new TypeError(`option endpoints is ${given}: expected an array with ${EXPECTED}`);
  }
  const unique = new Map<string, Endpoint>();
  for (const endpoint of endpoints) {
    const parsed = parse(endpoint);
    unique.set(`${parsed.secure} ${parsed.address}`, parsed);
  }
  return [...unique.values()];
}

function parseEtcdEndpoint(text: unknown): Endpoint {
  if (typeof text !== "string") {
    throw new TypeError(`etcd endpoint ${quoted(text)} is not a string: expected ${EXPECTED}`);
  }
  const [, scheme, rest = ""] = /^(?:([A-Za-z][A-Za-z0-9+.-]*):\/\/)?(.*?)\/?$/s.exec(text) as RegExpExecArray;
  // In a URL the % before a zone id is escaped (RFC 6874 section 2).
  const address = scheme === undefined ? rest : rest.replace(/^(\[[^\]%]*%)25(?=[^\]])/, "$1");
  if (scheme !== undefined && !/^https?$/i.test(scheme)) {
    throw new TypeError(`etcd endpoint ${JSON.stringify(text)} has the scheme "${scheme}": expected ${EXPECTED}`);
  }
  try {
    parseAddress(address);
  } catch (cause) {
    const Kind = cause instanceof RangeError ? RangeError : TypeError;
    // EXPECTED already describes the form of an address.
    const why = (cause as Error).message.replace(/: expected .*$/s, "");
    throw new Kind(`etcd endpoint ${JSON.stringify(text)}: ${why}: expected ${EXPECTED}`, { cause });
  }
  // Without a scheme the connector decides: TLS if `tls` was given.
  return scheme === undefined ? { address } : { address, secure: scheme.toLowerCase() === "https" };
}

/**
 * Parses one endpoint of etcd's JSON gateway, which may be behind a proxy: the port may be its scheme's, and the URL may
 * have a path, which becomes part of the address.
 */
export function parseGatewayEndpoint(text: unknown): Endpoint {
  const match = typeof text === "string" && URL.canParse(text) ? GATEWAY.exec(text) : null;
  if (match === null) return parseEtcdEndpoint(text);
  const [, scheme, host, path = ""] = match as unknown as readonly [
    text: string,
    scheme: string,
    host: string,
    path?: string,
  ];
  const secure = scheme.toLowerCase() === "https";
  const port = /:\d*$/.test(host) ? "" : secure ? ":443" : ":80";
  const { address } = parseEtcdEndpoint(`${scheme}://${host}${port}`);
  return { address: address + path.replace(/\/+$/, ""), secure };
}
