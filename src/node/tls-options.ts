import type tls from "node:tls";
import { type Check, checkOptions, type Checks, flag, fn, givenOf, quoted, secret } from "../option.ts";
import { untilAborted } from "../time/until-aborted.ts";

/** TLS options; the fields are those of `tls.connect` in `node:tls`. An empty object: the runtime's own CAs. */
export type TlsOptions = Pick<
  tls.ConnectionOptions,
  "ca" | "cert" | "key" | "passphrase" | "servername" | "rejectUnauthorized" | "checkServerIdentity"
>;

/**
 * TLS options, or a function that is called for each new connection, so that certificates can change while the process
 * runs.
 */
export type TlsSource = TlsOptions | (() => TlsOptions | Promise<TlsOptions>);

/** PEM or bytes. A string that isn't PEM is often a file's path, which `node:tls` ignores on Node and Deno. */
export const isPem = (value: unknown): boolean =>
  typeof value === "string" ? value.includes("-----BEGIN ") : ArrayBuffer.isView(value);
const isPemOrMany = (value: unknown) => Array.isArray(value) ? value.every(isPem) : isPem(value);
/** `node:tls` takes keys with their own passphrases as objects. */
const isKey = (value: unknown) => isPem(value) || (typeof value === "object" && value !== null && "pem" in value);

const pem = secret("PEM as a string or bytes (a file's content, not its path), or an array of those", isPemOrMany);

const TLS_OPTIONS: Checks<TlsOptions> = {
  ca: pem,
  cert: pem,
  key: secret(
    "PEM as a string or bytes (a file's content, not its path)",
    (value) => Array.isArray(value) ? value.every(isKey) : isKey(value),
  ),
  passphrase: secret("a string", (value) => typeof value === "string"),
  servername: secret("a host name", (value) => typeof value === "string"),
  rejectUnauthorized: flag,
  checkServerIdentity: fn("a function, (hostname, certificate) => Error | undefined"),
};

/**
 * Checks what is passed on to `tls.connect`. Where and how to connect is up to the endpoint, and what else `node:tls`
 * supports, only Node does.
 *
 * @throws TypeError that names the option, but never its value
 */
function checkTlsOptions(options: TlsOptions): void {
  checkOptions("tls", options, TLS_OPTIONS, "tls.");
  checkKeyPair(options);
}

/** A certificate without its key is not sent, and no runtime reports that. */
export function checkKeyPair({ cert, key }: { readonly cert?: unknown; readonly key?: unknown }): void {
  if ((cert === undefined) !== (key === undefined)) {
    throw new TypeError("tls.cert and tls.key belong together: give both or neither");
  }
}

/** The current options; empty without a source. Throws as {@link checkTlsOptions} does. */
export async function readTlsOptions(source: TlsSource | undefined, signal: AbortSignal): Promise<TlsOptions> {
  const options = typeof source === "function" ? await untilAborted(Promise.resolve(source()), signal) : source;
  if (options === undefined) return {};
  checkTlsOptions(options);
  return givenOf(options, Object.keys(TLS_OPTIONS));
}

/** Checks TLS options, or the function that returns them. */
export const tlsSource: Check = (name, value) => {
  if (typeof value === "function") return;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const expected = "an object such as { ca, cert, key, servername }, {} for the runtime's own CAs, or a function";
    throw new TypeError(
      `option ${name} is ${typeof value === "string" ? "a string" : quoted(value)}: expected ${expected}`,
    );
  }
  checkTlsOptions(value);
};
