import http from "node:http";
import { type Endpoint, parseAddress, unixPath } from "../../endpoint.ts";
import { Http2Error } from "../../http2/wire/error.ts";
import * as ErrorCode from "../../http2/wire/error-code.ts";
import { destinationOf } from "../../node/socket.ts";
import { readTlsOptions, type TlsSource } from "../../node/tls-options.ts";
import { greet } from "./greeting.ts";
import { probe, type ProbeLimits, ProbeTimeout } from "./probing.ts";
import { lookAtTls, type TlsLook } from "./tls-look.ts";

/**
 * Why a connection can't be opened:
 *
 * - `refused`, `silent`, `unknown-host`, `unreachable`: nothing answers there;
 * - `needs-tls`: it speaks TLS and was dialled without; `no-tls`: the other way round;
 * - `http1`: it speaks HTTP/1.1 only; `no-alpn`: it did not choose HTTP/2 over TLS;
 * - `expired`, `not-yet-valid`, `untrusted`, `wrong-name`: what is wrong with its certificate;
 * - `client-certificate`: it requires one, or doesn't accept the one it got;
 * - `not-etcd`: it speaks gRPC, but has none of etcd's services;
 * - `other`: see the text.
 */
export type TroubleKind =
  | "refused"
  | "silent"
  | "unknown-host"
  | "unreachable"
  | "needs-tls"
  | "no-tls"
  | "http1"
  | "no-alpn"
  | "expired"
  | "not-yet-valid"
  | "untrusted"
  | "wrong-name"
  | "client-certificate"
  | "not-etcd"
  | "other";

/** A connection that can't be opened. */
export interface ConnectTrouble {
  readonly kind: TroubleKind;
  /** What the runtime, or this library, says about it. */
  readonly text: string;
  /** What its TLS shows, if it has any. */
  readonly look?: TlsLook | undefined;
}

/** How an endpoint is called. */
export interface Dialling {
  readonly endpoint: Endpoint;
  /** Undefined: without TLS, unless the endpoint says `secure`. */
  readonly tls: TlsSource | undefined;
}

/** Finds out why a connection could not be opened, by trying others: with TLS, without TLS, without verification. */
export async function troubleOf(error: unknown, dialling: Dialling, limits: ProbeLimits): Promise<ConnectTrouble> {
  const text = error instanceof Error ? error.message : String(error);
  // A server that speaks something else says so, or hangs up.
  const early = error instanceof ProbeTimeout ? "silent" : kindOfDialling(error);
  if (early !== undefined) return { kind: early, text };
  const { endpoint, tls } = dialling;
  const look = await attempt(limits, async (signal) => {
    return await lookAtTls(endpoint, await readTlsOptions(tls, signal), signal);
  });
  if (!(endpoint.secure ?? tls !== undefined)) {
    if (look !== undefined) return { kind: "needs-tls", text, look };
    return { kind: isHttp1(error) || await answersHttp1(endpoint, limits) ? "http1" : "other", text };
  }
  if (look === undefined) {
    return { kind: await plainKind(endpoint, limits) ?? kindOfTls(text) ?? "other", text };
  }
  const kind = kindOfDates(look) ?? kindOfTls(text) ??
    (look.problem === undefined ? undefined : kindOfTls(look.problem));
  return { kind: kind ?? (look.alpn === "h2" ? "other" : "no-alpn"), text, look };
}

/** Not every runtime says that a certificate's date is why it can't be verified. */
function kindOfDates({ problem, validFrom, validTo }: TlsLook): TroubleKind | undefined {
  if (problem === undefined) return undefined;
  const nowMs = Date.now();
  if (validTo !== undefined && validTo.getTime() < nowMs) return "expired";
  return validFrom !== undefined && validFrom.getTime() > nowMs ? "not-yet-valid" : undefined;
}

/** What answers there without TLS. */
async function plainKind({ address, authority }: Endpoint, limits: ProbeLimits): Promise<TroubleKind | undefined> {
  const plain = { address, secure: false, ...authority !== undefined && { authority } };
  try {
    await probe(limits, (signal) => greet(destinationOf(plain, undefined).open, signal));
    return "no-tls";
  } catch (error) {
    return isHttp1(error) || await answersHttp1(plain, limits) ? "http1" : undefined;
  }
}

/** Whether it answers a request of HTTP/1.1: an old server may answer the beginning of HTTP/2 with a page alone. */
async function answersHttp1({ address }: Endpoint, limits: ProbeLimits): Promise<boolean> {
  const path = unixPath(address);
  const where = path === undefined ? parseAddress(address) : { socketPath: path };
  return await attempt(limits, (signal) =>
    new Promise<boolean>((resolve, reject) => {
      const request = http.request({ ...where, method: "HEAD", path: "/", agent: false, signal });
      request.once("response", (response) => {
        response.destroy();
        resolve(true);
      });
      request.on("error", reject);
      request.end();
    })) ?? false;
}

async function attempt<T>(limits: ProbeLimits, run: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
  try {
    return await probe(limits, run);
  } catch {
    limits.signal.throwIfAborted();
    return undefined;
  }
}

function isHttp1(error: unknown): boolean {
  return error instanceof Http2Error && error.code === ErrorCode.HTTP_1_1_REQUIRED;
}

/** The codes of errors of sockets that never were open. */
const DIALLING: Readonly<Record<string, TroubleKind>> = {
  ECONNREFUSED: "refused",
  ENOENT: "refused",
  ENOTFOUND: "unknown-host",
  EAI_AGAIN: "unknown-host",
  ENODATA: "unknown-host",
  ETIMEDOUT: "silent",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  EADDRNOTAVAIL: "unreachable",
  EACCES: "unreachable",
};

function kindOfDialling(error: unknown): TroubleKind | undefined {
  if (!(error instanceof Error)) return undefined;
  if ("code" in error && DIALLING[String(error.code)] !== undefined) return DIALLING[String(error.code)];
  // Several addresses of one name (RFC 8305), each with its own error.
  if (error instanceof AggregateError && error.errors.length > 0) return kindOfDialling(error.errors[0]);
  return error.cause === undefined ? undefined : kindOfDialling(error.cause);
}

/** What the runtimes (OpenSSL, BoringSSL, rustls) and this library say about TLS that fails. */
const TLS_TEXTS: readonly (readonly [RegExp, TroubleKind])[] = [
  [/client certificate|certificate required/i, "client-certificate"],
  [/expired/i, "expired"],
  [/not.?yet.?valid|NotValidYet/i, "not-yet-valid"],
  [/altname|NotValidForName|does not match|hostname/i, "wrong-name"],
  [/UNABLE_TO|SELF_SIGNED|self.signed|unable to (get|verify)|UnknownIssuer|unknown ca|CaUsedAsEndEntity/i, "untrusted"],
];

function kindOfTls(text: string): TroubleKind | undefined {
  return TLS_TEXTS.find(([pattern]) => pattern.test(text))?.[1];
}
