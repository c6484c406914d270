import net from "node:net";
import tls from "node:tls";
import { type Endpoint, parseAddress, withoutZone } from "../../endpoint.ts";
import { namesOf } from "../../grpc/link/destination.ts";
import type { TlsOptions } from "../../node/tls-options.ts";

/** What a server shows in a TLS handshake in which anything is accepted. */
export interface TlsLook {
  /** The protocol that it chose, such as "h2"; undefined if it chose none. */
  readonly alpn: string | undefined;
  /** What is wrong with its certificate, as the runtime says it; undefined if nothing is. */
  readonly problem: string | undefined;
  /** From when to when its certificate is valid; undefined if the runtime doesn't say. */
  readonly validFrom: Date | undefined;
  readonly validTo: Date | undefined;
  /** The names that its certificate is valid for; undefined if the runtime doesn't say. */
  readonly names: string | undefined;
}

/**
 * Looks at a server's TLS without trusting it; nothing is sent to it but the handshake.
 *
 * @throws Error if there is no TLS, or the signal's reason.
 */
export function lookAtTls(endpoint: Endpoint, options: TlsOptions, signal: AbortSignal): Promise<TlsLook> {
  const { host, port } = parseAddress(endpoint.address);
  const { hostname } = namesOf(endpoint, "https");
  const ip = hostname.replace(/^\[|\]$/g, "");
  const servername = options.servername ?? (net.isIP(ip) === 0 ? hostname.replace(/\.$/, "") : undefined);
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = tls.connect({
      ...options,
      host: withoutZone(host),
      port,
      ...servername !== undefined && { servername },
      rejectUnauthorized: false,
      ALPNProtocols: ["h2", "http/1.1"],
    });
    const end = (settle: () => void) => {
      signal.removeEventListener("abort", abort);
      socket.on("error", () => {}).destroy();
      settle();
    };
    const abort = () => end(() => reject(signal.reason));
    signal.addEventListener("abort", abort);
    socket.once("error", (error) => end(() => reject(error)));
    socket.once(
      "close",
      () => end(() => reject(new Error("the server closed the connection during the TLS handshake"))),
    );
    socket.once("secureConnect", () => {
      const look = seen(socket, servername ?? ip);
      end(() => resolve(look));
    });
  });
}

function seen(socket: tls.TLSSocket, name: string): TlsLook {
  const { alpnProtocol, authorized, authorizationError } = socket;
  const certificate = certificateOf(socket);
  return {
    alpn: alpnProtocol || undefined,
    problem: authorized ? nameProblem(name, certificate) : problemOf(authorizationError),
    validFrom: dateOf(certificate?.valid_from),
    validTo: dateOf(certificate?.valid_to),
    names: certificate?.subjectaltname,
  };
}

function dateOf(text: string | undefined): Date | undefined {
  const date = new Date(text ?? "");
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/** Not every runtime has it. */
function certificateOf(socket: tls.TLSSocket): tls.PeerCertificate | undefined {
  try {
    const certificate = socket.getPeerCertificate();
    return certificate?.valid_to === undefined ? undefined : certificate;
  } catch {
    return undefined;
  }
}

function nameProblem(name: string, certificate: tls.PeerCertificate | undefined): string | undefined {
  if (certificate === undefined) return undefined;
  return tls.checkServerIdentity(name, certificate)?.message;
}

function problemOf(error: unknown): string {
  if (error instanceof Error) return "code" in error ? `${error.code}: ${error.message}` : error.message;
  return typeof error === "string" ? error : "it can't be verified";
}
