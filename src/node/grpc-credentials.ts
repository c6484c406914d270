// TLS options as the credentials of the `etcd3` package.

import { Buffer } from "node:buffer";
import { checkOptions, type Checks, secret } from "../option.ts";
import { checkKeyPair, isPem } from "./tls-options.ts";

/** TLS options, as far as grpc-js lets the `etcd3` package set them. All in PEM; an empty object: the system's CAs. */
export interface Etcd3TlsOptions {
  /** The certificates of the CAs to trust instead of the system's. */
  readonly ca?: string | Uint8Array;
  /** The client's certificate, if etcd requires one; needs `key`. */
  readonly cert?: string | Uint8Array;
  /** The certificate's private key, as PEM. */
  readonly key?: string | Uint8Array;
  /** The name that the server's certificate must be valid for, if not the endpoint's host. */
  readonly servername?: string;
}

/** The credentials that the `etcd3` package takes: Buffers. */
export interface GrpcCredentials {
  readonly rootCertificate: Buffer;
  readonly privateKey?: Buffer;
  readonly certChain?: Buffer;
}

const pemCheck = secret(
  "PEM as a string or bytes (a file's content, not its path)",
  (value) => isPem(value) && (typeof value === "string" || value instanceof Uint8Array),
);

const OPTIONS: Checks<Etcd3TlsOptions> = {
  ca: pemCheck,
  cert: pemCheck,
  key: pemCheck,
  servername: secret("a host name", (value) => typeof value === "string"),
};

/** @throws TypeError for an option that is invalid or that can't be passed on */
export function grpcCredentials(options: Etcd3TlsOptions): GrpcCredentials {
  checkOptions(
    "tls of the etcd3 package (createEtcdRegistry() of connect-lb/etcd takes more)",
    options,
    OPTIONS,
    "tls.",
  );
  const { cert, key } = options;
  checkKeyPair(options);
  return {
    // grpc-js takes a missing certificate to mean the system's CAs, which its type doesn't say.
    rootCertificate: pem(options.ca) as Buffer,
    ...(cert === undefined ? {} : { certChain: pem(cert) as Buffer, privateKey: pem(key) as Buffer }),
  };
}

function pem(value: string | Uint8Array | undefined): Buffer | undefined {
  return value === undefined ? undefined : Buffer.from(value);
}
