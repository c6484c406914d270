/** A client's certificate, which its TLS connection has verified. `getPeerCertificate()` of `node:tls` returns one. */
export interface PeerCertificate {
  readonly subject: { readonly CN?: string | string[] | undefined };
  /** `DNS:client.example, URI:spiffe://…` */
  readonly subjectaltname?: string | undefined;
  readonly fingerprint256: string;
  /** The certificate in DER. */
  readonly raw: Uint8Array;
}

/** The other end of a server's connection, as far as its listener knows it. */
export interface Peer {
  /** `192.0.2.1:50123`, `[2001:db8::1]:50123` or `unix:`; undefined if unknown. */
  readonly address?: string | undefined;
  /** Whether the connection is encrypted. */
  readonly secure?: boolean | undefined;
  /** The client's verified certificate, with mutual TLS. */
  readonly certificate?: PeerCertificate | undefined;
}
