import type { TlsOptions, TlsSource } from "../node/tls-options.ts";
import type { Context } from "./command.ts";
import { pemFile } from "./pem-file.ts";
import { usageError } from "./exit.ts";

/** The options of commands that call servers. */
export const SERVER_OPTIONS = {
  tls: {
    type: "boolean",
    help: "call servers with TLS, unless their entry in etcd says otherwise; any --tls-… option implies it",
    group: "Options for servers",
  },
  "tls-ca": {
    type: "string",
    value: "FILE",
    help: "the CA that servers' certificates are verified against",
    complete: "file",
    group: "Options for servers",
  },
  "tls-cert": {
    type: "string",
    value: "FILE",
    help: "the certificate to show to servers",
    complete: "file",
    group: "Options for servers",
  },
  "tls-key": {
    type: "string",
    value: "FILE",
    help: "the key of that certificate",
    complete: "file",
    group: "Options for servers",
  },
  "tls-name": {
    type: "string",
    value: "NAME",
    help: "the name that servers' certificates must be valid for, if not their address",
    group: "Options for servers",
  },
  "tls-skip-verify": {
    type: "boolean",
    help: "don't verify servers' certificates: for tests",
    group: "Options for servers",
  },
} as const;

/**
 * TLS to servers as the options say; undefined: none. The files are read again for each connection.
 *
 * @throws CliError if a file can't be read, and for options that contradict each other.
 */
export function serverTls({ options }: Context<typeof SERVER_OPTIONS>): TlsSource | undefined {
  const { tls, "tls-ca": ca, "tls-cert": cert, "tls-key": key, "tls-name": servername } = options;
  const skip = options["tls-skip-verify"];
  if (!tls && !skip && [ca, cert, key, servername].every((value) => value === undefined)) return undefined;
  if ((cert === undefined) !== (key === undefined)) throw usageError("--tls-cert and --tls-key belong together");
  const read = (): TlsOptions => ({
    ...ca !== undefined && { ca: pemFile("--tls-ca", ca) },
    ...cert !== undefined && { cert: pemFile("--tls-cert", cert) },
    ...key !== undefined && { key: pemFile("--tls-key", key) },
    ...servername !== undefined && { servername },
    ...skip && { rejectUnauthorized: false },
  });
  read();
  return read;
}
