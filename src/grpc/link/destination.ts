import { type Endpoint, parseAddress, unixPath, withoutZone } from "../../endpoint.ts";
import type { OpenByteStream } from "../../http2/byte-stream.ts";

/** How an endpoint is dialled and named. */
export interface Destination {
  readonly scheme: "http" | "https";
  readonly authority: string;
  /** False if TLS can't negotiate HTTP/2 here (ALPN, RFC 9113 section 3.2). */
  readonly negotiates: boolean;
  readonly open: OpenByteStream;
}

/** What an endpoint is called: `:authority`, and the host in it, for which a certificate must be valid. */
export interface Names {
  readonly authority: string;
  readonly hostname: string;
}

/** @throws TypeError or RangeError for an invalid address or authority */
export function namesOf(endpoint: Endpoint, scheme: Destination["scheme"]): Names {
  const name = endpoint.authority ?? nameOf(endpoint.address);
  const url = URL.canParse(`${scheme}://${name}`) ? new URL(`${scheme}://${name}`) : undefined;
  if (url === undefined || url.pathname !== "/" || url.username !== "" || url.search !== "" || url.hash !== "") {
    throw new TypeError(
      `authority ${JSON.stringify(name)} is not a host name: expected for example "api.example.com:443"`,
    );
  }
  return { authority: url.host, hostname: url.hostname };
}

/** The name of a server that is known by its address. */
function nameOf(address: string): string {
  if (unixPath(address) !== undefined) return "localhost";
  const { host, port } = parseAddress(address);
  return host.includes(":") ? `[${withoutZone(host)}]:${port}` : `${host}:${port}`;
}
