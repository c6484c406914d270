import { shownText } from "../../shown-text.ts";
import type { ConnectTrouble } from "./connect-trouble.ts";
import type { Finding } from "./finding.ts";

/** What is wrong with a connection and what to do, in words for who runs the command. */
export type Advice = Pick<Finding, "what" | "next">;

/** What to do about a server that can't be called. */
export function serverAdvice({ kind, text, look }: ConnectTrouble, leased: boolean): Advice {
  switch (kind) {
    case "refused":
      return {
        what: "nothing listens at a registered address: the connection is refused",
        next: "start the server, or, if it is gone for good, delete its key with etcdctl del KEY: " +
          (leased ? "its lease should have removed it" : "it has no lease, so nothing else removes it"),
      };
    case "silent":
      return {
        what: "a registered address does not answer",
        next: "look whether the server hangs, and whether a firewall, a network policy or a wrong address is in " +
          "between: servers must register an address that clients can reach; --connect-timeout gives it longer",
      };
    case "unknown-host":
      return {
        what: "a registered host name can't be resolved from here",
        next: "register the name, or the IP address, by which clients reach the server: names of containers and pods " +
          "mean nothing elsewhere",
      };
    case "unreachable":
      return {
        what: "there is no way to a registered address from this machine",
        next: "register an address that clients can reach, and run this command where they run",
      };
    case "needs-tls":
      return {
        what: "TLS is on at one end only: the server speaks TLS, and clients would call it without",
        next:
          "turn TLS on at clients, grpcConnector({ tls: { ca } }), here --tls with --tls-ca FILE; or run the server " +
          "without TLS",
      };
    case "no-tls":
      return {
        what: "TLS is on at one end only: clients would call the server with TLS, and it speaks none",
        next:
          "give the server its certificate, createGrpcServer({ tls: { cert, key } }); or turn TLS off at clients, " +
          "here by leaving out --tls (a value in etcd with isSecure=true or https:// turns it on for that server)",
      };
    case "http1":
      return {
        what: "a registered address answers HTTP/1.1, and gRPC needs HTTP/2",
        next: "serve gRPC with createGrpcServer, or with node:http2 instead of node:http; a proxy in between must " +
          "forward HTTP/2 (nginx: grpc_pass, Envoy: http2_protocol_options); or call it with fetchConnector",
      };
    case "no-alpn":
      return {
        what: "the server speaks TLS, but does not choose HTTP/2 (ALPN h2), which gRPC needs",
        next: "turn HTTP/2 on at the server, or at the proxy that terminates TLS for it",
      };
    case "client-certificate":
      return {
        what: "the server requires a client certificate, or does not accept the one it got",
        next: "pass --tls-cert FILE and --tls-key FILE; in programs grpcConnector({ tls: { cert, key } })",
      };
    default:
      return certificateAdvice({ kind, text, look }, "the server", "--tls-ca", "--tls-name");
  }
}

/** What to do about an etcd that can't be reached. */
export function etcdAdvice({ kind, text, look }: ConnectTrouble): Advice {
  switch (kind) {
    case "refused":
      return {
        what: "etcd can't be reached: the connection is refused",
        next: "start etcd there, or pass the address where it listens for clients: --endpoints HOST:2379 or " +
          "CONNECT_LB_ETCD; for a try-out, connect-lb etcd starts one in memory",
      };
    case "silent":
    case "unreachable":
      return {
        what: "etcd can't be reached: nothing answers at its address",
        next: "check the address, and that no firewall is in between; --timeout gives it longer",
      };
    case "unknown-host":
      return { what: "etcd can't be reached: its host name can't be resolved", next: "check the name in --endpoints" };
    case "needs-tls":
      return {
        what: "TLS is on at one end only: etcd speaks TLS, and was called without",
        next: "pass its URL with https://, and --cacert FILE unless a public CA signed its certificate",
      };
    case "no-tls":
      return {
        what: "TLS is on at one end only: etcd was called with TLS, and speaks none",
        next: "pass its URL with http://, or start etcd with --cert-file and --key-file",
      };
    case "http1":
    case "no-alpn":
      return {
        what: "what answers there speaks HTTP/1.1, not the HTTP/2 of etcd's gRPC",
        next: "pass etcd's client URL (port 2379 by default); a proxy in front of it must forward HTTP/2",
      };
    case "not-etcd":
      return {
        what: "what answers there is a gRPC server, and not etcd",
        next: "pass etcd's client URL (port 2379 by default): --endpoints HOST:2379 or CONNECT_LB_ETCD",
      };
    case "client-certificate":
      return {
        what: "etcd requires a client certificate, or does not accept the one it got",
        next: "pass --cert FILE and --key FILE, signed by the CA of etcd's --trusted-ca-file",
      };
    default:
      return certificateAdvice({ kind, text, look }, "etcd", "--cacert", "another URL");
  }
}

function certificateAdvice(trouble: ConnectTrouble, who: string, ca: string, name: string): Advice {
  const { kind, text, look } = trouble;
  switch (kind) {
    case "expired": {
      const when = look?.validTo !== undefined && look.validTo.getTime() < Date.now()
        ? `: it was valid until ${look.validTo.toISOString()}`
        : ", or that of the CA that signed it";
      return {
        what: `the certificate of ${who} has expired${when}`,
        next:
          `renew the certificate, and restart whatever loads it only at its start; if the CA's has expired, renew ` +
          `that and pass it with ${ca} FILE`,
      };
    }
    case "not-yet-valid":
      return {
        what: `the certificate of ${who} is not valid yet`,
        next: "check the clock of this machine, and that of the machine that made the certificate",
      };
    case "untrusted":
      return {
        what: `the certificate of ${who} was not signed by a CA that is trusted here`,
        next: `pass the certificate of the CA that signed it: ${ca} FILE`,
      };
    case "wrong-name": {
      const names = look?.names === undefined ? "" : ` (it is for ${shownText(look.names)})`;
      return {
        what: `the certificate of ${who} is for another name than it is called by${names}`,
        next: `call it by a name in its certificate, ${name}, or add this name to the certificate`,
      };
    }
    default:
      return {
        what: `${who} can't be called: ${shownText(text)}`,
        next: "look at the server's log for this connection",
      };
  }
}
