// A private CA with a server and a client certificate; see tls/make.sh.
import { readFileSync } from "node:fs";

const read = (name: string) => readFileSync(new URL(`./tls/${name}.pem`, import.meta.url), "utf8");

/** The certificate of the CA that signed the other two. */
export const ca: string = read("ca");
/** Of a server called `simple.test`, `localhost`, `127.0.0.1` and `::1`. */
export const server: { cert: string; key: string } = { cert: read("server"), key: read("server-key") };
/** Of a client. */
export const client: { cert: string; key: string } = { cert: read("client"), key: read("client-key") };

/** What has expired, and what goes with it; see tls/expired/make.sh. */
export const expired: Readonly<Record<"server" | "old", { cert: string; key: string }>> & { readonly ca: string } = {
  /** A server whose certificate is valid; that of its CA has expired. */
  server: { cert: read("expired/server"), key: read("expired/server-key") },
  /** A server whose own certificate has expired. */
  old: { cert: read("expired/server-old"), key: read("expired/server-key") },
  /** What its CA is trusted by while it is valid. */
  ca: read("expired/ca-valid"),
};
