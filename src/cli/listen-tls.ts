import type { ServerTlsSource } from "../node/server-tls.ts";
import type { Context } from "./command.ts";
import { usageError } from "./exit.ts";
import { pemFile } from "./pem-file.ts";

/** The options of commands that serve calls, for TLS where they listen. */
export const LISTEN_TLS_OPTIONS = {
  "listen-cert": {
    type: "string",
    value: "FILE",
    help: "the certificate to show to clients, which turns TLS on",
    complete: "file",
    group: "Options for listening",
  },
  "listen-key": {
    type: "string",
    value: "FILE",
    help: "the key of that certificate",
    complete: "file",
    group: "Options for listening",
  },
  "listen-ca": {
    type: "string",
    value: "FILE",
    help: "the CA of clients' certificates; clients without one are refused",
    complete: "file",
    group: "Options for listening",
  },
} as const;

/**
 * TLS for clients as the options say; undefined: none. The files are read again each minute.
 *
 * @throws CliError if a file can't be read, and for options that need others.
 */
export function listenTls({ options }: Context<typeof LISTEN_TLS_OPTIONS>): ServerTlsSource | undefined {
  const { "listen-cert": cert, "listen-key": key, "listen-ca": ca } = options;
  if (cert === undefined && key === undefined && ca === undefined) return undefined;
  if (cert === undefined || key === undefined) throw usageError("TLS needs both --listen-cert and --listen-key");
  const read = () => ({
    cert: pemFile("--listen-cert", cert),
    key: pemFile("--listen-key", key),
    ...ca !== undefined && { ca: pemFile("--listen-ca", ca) },
  });
  read();
  return read;
}
