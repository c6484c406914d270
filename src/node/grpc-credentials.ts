import { Buffer } from "node:buffer";

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

const NAMES: ReadonlySet<string> = new Set(["ca", "cert", "key", "servername"]);

/** @throws TypeError for an option that is not what it must be, or that can't be passed on. */
export function grpcCredentials(options: Etcd3TlsOptions): GrpcCredentials {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`tls ${String(options)}: expected { ca, cert, key, servername }`);
  }
  const other = Object.keys(options).find((name) => !NAMES.has(name));
  if (other !== undefined) {
    throw new TypeError(
      `tls.${other}: the etcd3 package takes ${
        [...NAMES].join(", ")
      } only; createEtcdRegistry of connect-lb/etcd has more`,
    );
  }
  const { cert, key } = options;
  if ((cert === undefined) !== (key === undefined)) {
    throw new TypeError("tls.cert and tls.key belong together: give both or none");
  }
  return {
    // grpc-js reads none as the system's CAs; the type does not know that.
    rootCertificate: pem("ca", options.ca) as Buffer,
    ...(cert === undefined ? {} : { certChain: pem("cert", cert) as Buffer, privateKey: pem("key", key) as Buffer }),
  };
}

/** Never shows the value, which may be a private key. */
function pem(name: string, value: unknown): Buffer | undefined {
  if (value === undefined || value instanceof Uint8Array) return value && Buffer.from(value);
  if (typeof value === "string") return Buffer.from(value);
  throw new TypeError(`tls.${name} is a ${typeof value}: expected PEM as a string or bytes`);
}
