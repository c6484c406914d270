import net from "node:net";
import tls from "node:tls";
import type { Endpoint } from "../endpoint.ts";
import { type HostAndPort, parseAddress, unixPath, withoutZone } from "../endpoint.ts";
import { type Destination, namesOf } from "../grpc/link/destination.ts";
import { Http2Error } from "../http2/wire/error.ts";
import * as ErrorCode from "../http2/wire/error-code.ts";
import { DuplexStream } from "../socket/duplex-stream.ts";
import { opened } from "../socket/opened.ts";
import { NO_HTTP2 } from "../socket/socket-error.ts";
import { dialled } from "./dial.ts";
import type { Dial } from "./dial.ts";
import { denoSocket, needsDenoSocket } from "./zoned.ts";
import { readTlsOptions, type TlsSource } from "./tls-options.ts";

/**
 * Whether TLS can negotiate HTTP/2 (ALPN, RFC 9113 section 3.2). workerd's `node:tls` can't: servers that insist on it
 * can't be reached from there, and the others must speak HTTP/2 without negotiation.
 */
const CAN_NEGOTIATE = globalThis.navigator?.userAgent !== "Cloudflare-Workers";

/**
 * How an endpoint is dialled, over plaintext or TLS, and named. `dial` may open the connection in its own way.
 *
 * @throws TypeError or RangeError for an invalid address or authority
 */
export function destinationOf(endpoint: Endpoint, source: TlsSource | undefined, dial?: Dial): Destination {
  const { address } = endpoint;
  const path = unixPath(address);
  const where = path === undefined ? whereIs(parseAddress(address)) : { path };
  const scheme = endpoint.secure ?? source !== undefined ? "https" : "http";
  const { authority, hostname } = namesOf(endpoint, scheme);
  const dialledBy = async (signal: AbortSignal) => {
    const socket = dial && await dialled(dial, { ...where, endpoint }, signal);
    if (socket !== undefined || !("host" in where) || !needsDenoSocket(where)) return socket;
    return await denoSocket(where, signal);
  };
  if (scheme === "http") {
    return {
      scheme,
      authority,
      negotiates: CAN_NEGOTIATE,
      async open(signal) {
        const socket = await dialledBy(signal);
        if (socket !== undefined) return new DuplexStream(socket);
        return await opened(
          () => net.connect(where),
          "connect",
          signal,
          (socket) => new DuplexStream(socket, undefined, "to the system"),
        );
      },
    };
  }
  const alpn = CAN_NEGOTIATE ? { ALPNProtocols: ["h2"] } : {};
  // A server name must be a name, without a trailing dot (RFC 6066 section 3). An IP address is checked against those
  // in the certificate: by the runtime if it is the dialled one, otherwise here.
  const ip = hostname.replace(/^\[|\]$/g, "");
  const isName = net.isIP(ip) === 0;
  const serverName = isName ? hostname.replace(/\.$/, "") : undefined;
  return {
    scheme,
    authority,
    negotiates: CAN_NEGOTIATE,
    async open(signal) {
      const options = await readTlsOptions(source, signal);
      const under = await dialledBy(signal);
      const servername = options.servername || serverName;
      const isDialled = under === undefined && "host" in where && where.host === ip;
      const { checkServerIdentity = tls.checkServerIdentity } = options;
      const named = servername !== undefined
        ? { ...options, servername }
        : isDialled
        ? options
        : { ...options, checkServerIdentity: (_: string, cert: tls.PeerCertificate) => checkServerIdentity(ip, cert) };
      const over = under === undefined ? where : { socket: under };
      return await opened(() => tls.connect({ ...over, ...named, ...alpn }), "secureConnect", signal, (socket) => {
        // RFC 9113 section 3.2: without ALPN's "h2" the server speaks something else.
        if (CAN_NEGOTIATE && socket.alpnProtocol !== "h2") throw new Error(NO_HTTP2);
        refuseRenegotiation(socket);
        return new DuplexStream(socket, under, under === undefined ? "to the system" : "through the process");
      }, under);
    },
  };
}

/**
 * Drops the zone of all but link-local addresses, which alone need it (RFC 4007 section 6); Deno can't dial others with
 * one.
 */
function whereIs({ host, port }: HostAndPort): HostAndPort {
  return { host: /^fe[89ab]/i.test(host) ? host : withoutZone(host), port };
}

/**
 * RFC 9113 section 9.2.1. Node and Bun renegotiate TLS 1.2 unasked, and report it like a handshake; Deno's TLS refuses,
 * and TLS 1.3 has no renegotiation.
 */
function refuseRenegotiation(socket: tls.TLSSocket): void {
  socket.on("secureConnect", () => {
    if (socket.getProtocol() === "TLSv1.3") return;
    socket.destroy(new Http2Error(ErrorCode.PROTOCOL_ERROR, "the server renegotiated TLS, which HTTP/2 forbids"));
  });
}
