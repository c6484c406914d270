import { Buffer } from "node:buffer";
import { checkOptions, type Checks, secret } from "../option.ts";
import { checkKeyPair, isPem } from "./tls-options.ts";

/** How to speak TLS, as far as grpc-js lets the `etcd3` package choose it. All in PEM; an empty object: the system's CAs. */
export interface Etcd3TlsOptions {
  /** The certificates of the CAs to trust in place of the system's. */
  readonly ca?: string | Uint8Array;
  /** The client's certificate, if etcd asks for one; needs `key`. */
  readonly cert?: string | Uint8Array;
  readonly key?: string | Uint8Array;
  /** What the server's certificate must be made out to, if that is not the endpoint's host. */
  readonly servername?: string;
}

/** What the `etcd3` package takes as its credentials: Buffers. */
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

/** @throws TypeError for an option that is not what it must be, or that can't be passed on. */
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
    // grpc-js reads none as the system's CAs; the type does not know that.
    rootCertificate: pem(options.ca) as Buffer,
    ...(cert === undefined ? {} : { certChain: pem(cert) as Buffer, privateKey: pem(key) as Buffer }),
  };
}

function pem(value: string | Uint8Array | undefined): Buffer | undefined {
  return value === undefined ? undefined : Buffer.from(value);
}
