import { X509Certificate } from "node:crypto";
import { shownText } from "../../shown-text.ts";
import type { TlsSource } from "../../node/tls-options.ts";
import type { ProbedEndpoint } from "./endpoint-probes.ts";
import type { Finding } from "./finding.ts";

/** What is left when it is time to renew, in milliseconds: two weeks. */
const SOON_MS = 14 * 24 * 3_600_000;

/** A certificate that an option names, or that a server showed. */
export interface DatedCertificate {
  /** What it is: `the CA certificate of --cacert`. */
  readonly name: string;
  readonly where: string;
  readonly validTo: Date;
}

/** Certificates that have expired, or are about to. */
export function certificateExpiry(certificates: readonly DatedCertificate[], nowMs: number): readonly Finding[] {
  return certificates.flatMap(({ name, where, validTo }): Finding[] => {
    const leftMs = validTo.getTime() - nowMs;
    if (leftMs > SOON_MS) return [];
    const date = validTo.toISOString();
    if (leftMs <= 0) {
      return [{
        severity: "error",
        what: `${name} has expired: it was valid until ${date}`,
        where,
        next:
          "renew it; if it is a CA's, what it signed must be verified by the new one. Not every runtime looks at the " +
          "date of a CA, so some clients may still connect",
      }];
    }
    return [{
      severity: "warning",
      what: `${name} expires soon: it is valid until ${date}`,
      where,
      next: "renew it before that; programs that pass tls as a function take the new one without a restart",
    }];
  });
}

/** The certificates in PEM files that options name. */
export function certificatesOf(
  tls: TlsSource | undefined,
  names: { readonly ca: string; readonly cert: string },
): readonly DatedCertificate[] {
  const options = typeof tls === "function" ? tls() : tls;
  if (options === undefined || "then" in options) return [];
  return (["ca", "cert"] as const).flatMap((kind) => {
    const text = options[kind];
    const what = kind === "ca" ? "a CA certificate" : "the client certificate";
    return typeof text !== "string" ? [] : datesIn(text).map(({ subject, validTo }) => {
      return { name: what, where: `${names[kind]}: ${shownText(subject)}`, validTo };
    });
  });
}

/** The certificates that servers showed and that clients still accept. */
export function shownCertificates(endpoints: readonly ProbedEndpoint[]): readonly DatedCertificate[] {
  return endpoints.flatMap(({ endpoint, look, greeting }) =>
    greeting === undefined || look?.validTo === undefined
      ? []
      : [{ name: "a server's certificate", where: endpoint.address, validTo: look.validTo }]
  );
}

function datesIn(pem: string): readonly { readonly subject: string; readonly validTo: Date }[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.flatMap((block) => {
    try {
      const { subject, validTo } = new X509Certificate(block);
      const date = new Date(validTo);
      return Number.isNaN(date.getTime()) ? [] : [{ subject: subject.replaceAll("\n", ", "), validTo: date }];
    } catch {
      // What can't be parsed makes the connection fail, and is a finding there.
      return [];
    }
  });
}
