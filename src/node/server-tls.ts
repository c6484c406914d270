import { constants } from "node:crypto";
import type tls from "node:tls";
import { type Check, checkOptions, type Checks, flag, givenOf, quoted, required, secret } from "../option.ts";
import { checkKeyPair, isPem } from "./tls-options.ts";

/** TLS options of a server; the fields are those of `tls.createServer` in `node:tls`. All in PEM. */
export interface ServerTlsOptions {
  /** The server's certificate, with those of intermediate CAs after it. */
  cert: string | Uint8Array | readonly (string | Uint8Array)[];
  /** The certificate's private key. */
  key: string | Uint8Array | readonly (string | Uint8Array)[];
  /** The key's passphrase. */
  passphrase?: string | undefined;
  /** The CAs of the clients' certificates. With it, clients must present one (mutual TLS). */
  ca?: string | Uint8Array | readonly (string | Uint8Array)[] | undefined;
  /** With `ca` and false, clients without a valid certificate are served, too: as clients without one. */
  rejectUnauthorized?: boolean | undefined;
}

/** TLS options, or a function that returns them: it is called each minute, so that certificates can change. */
export type ServerTlsSource = ServerTlsOptions | (() => ServerTlsOptions | Promise<ServerTlsOptions>);

const pem = secret(
  "PEM as a string or bytes (a file's content, not its path), or an array of those",
  (value) => Array.isArray(value) ? value.every(isPem) : isPem(value),
);

const OPTIONS: Checks<ServerTlsOptions> = {
  cert: required(pem),
  key: required(pem),
  passphrase: secret("a string", (value) => typeof value === "string"),
  ca: pem,
  rejectUnauthorized: flag,
};

function checked(options: ServerTlsOptions): ServerTlsOptions {
  checkOptions("tls", options, OPTIONS, "tls.");
  checkKeyPair(options);
  return givenOf(options, Object.keys(OPTIONS));
}

/** Checks TLS options, or the function that returns them. */
export const serverTlsSource: Check = (name, value) => {
  if (typeof value === "function") return;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const expected = "an object { cert, key } or a function that returns one";
    throw new TypeError(
      `option ${name} is ${typeof value === "string" ? "a string" : quoted(value)}: expected ${expected}`,
    );
  }
  checked(value as ServerTlsOptions);
};

/** What `tls.createServer` and `setSecureContext` take. @throws TypeError that names an option, never its value */
export async function readServerTls(source: ServerTlsSource): Promise<tls.TlsOptions> {
  const options = checked(typeof source === "function" ? await source() : source);
  return {
    ...options as tls.TlsOptions,
    requestCert: options.ca !== undefined,
    // RFC 9113 section 9.2: HTTP/2 needs TLS 1.2, and forbids renegotiation.
    minVersion: "TLSv1.2",
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  };
}
