import process from "node:process";
import { grpcConnector } from "../../src/node/grpc-connector.ts";
import { staticResolver } from "../../src/resolver/static.ts";
import { createProxy, shutdown } from "../../src/server.ts";
import { ca, server as identity } from "../support/tls.ts";
import { put, type Running, startProgram } from "./programs.ts";

/** A proxy in front of a gRPC server: plaintext, TLS, and TLS that asks for a client's certificate. */
export interface Proxy {
  readonly plain: string;
  readonly tls: string;
  readonly mtls: string;
  /** Lets it finish the calls in flight, tells clients to go elsewhere, and waits for its end. */
  readonly quit: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

function proxy({ child, ports, stop }: Running, softly: NodeJS.Signals): Proxy {
  const [plain, tls, mtls] = ports.map((port) => `127.0.0.1:${port}`) as [string, string, string];
  const quit = async () => {
    child.signal(softly);
    await child.exited;
  };
  return { plain, tls, mtls, quit, stop };
}

/** nginx with `grpc_pass`. It takes 128 streams at once, and opens a connection to the server for each that is in flight. */
export async function startNginx(upstream: string): Promise<Proxy> {
  return proxy(
    await startProgram("nginx", 3, async (folder, [plain, tls, mtls]) => {
      const cert = await put(folder, "cert.pem", identity.cert), key = await put(folder, "key.pem", identity.key);
      const authority = await put(folder, "ca.pem", ca);
      const server = (listen: string, more = "") => `
        server {
          listen 127.0.0.1:${listen};
          ${more}
          location / { grpc_pass grpc://upstream; grpc_socket_keepalive on; }
        }`;
      const secure = `ssl_certificate ${cert}; ssl_certificate_key ${key};`;
      const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
      const config = `
        daemon off;
        worker_processes 1;
        worker_rlimit_nofile 16384;
        ${process.getuid?.() === 0 ? "user root;" : ""}
        pid ${folder}/pid;
        error_log stderr crit;
        events { worker_connections 8192; }
        http {
          access_log off;
          ${temporary.map((kind) => `${kind}_temp_path ${folder}/${kind};`).join("\n          ")}
          client_max_body_size 0;
          keepalive_requests 1000000;
          upstream upstream { server ${upstream}; keepalive 32; }
          ${server(`${plain} http2`)}
          ${server(`${tls} ssl http2`, secure)}
          ${server(`${mtls} ssl http2`, `${secure} ssl_client_certificate ${authority}; ssl_verify_client on;`)}
        }`;
      return ["-p", folder, "-e", "stderr", "-c", await put(folder, "nginx.conf", config)];
    }),
    "SIGQUIT",
  );
}

/** HAProxy with HTTP/2 on both sides. It puts calls of one client together on few connections to the server. */
export async function startHaproxy(upstream: string): Promise<Proxy> {
  return proxy(
    await startProgram("haproxy", 3, async (folder, [plain, tls, mtls]) => {
      const pair = await put(folder, "pair.pem", `${identity.cert}\n${identity.key}`);
      const authority = await put(folder, "ca.pem", ca);
      const config = `
global
  maxconn 4096
  tune.h2.max-concurrent-streams 4096
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend calls
  bind 127.0.0.1:${plain} proto h2
  bind 127.0.0.1:${tls} ssl crt ${pair} alpn h2
  bind 127.0.0.1:${mtls} ssl crt ${pair} ca-file ${authority} verify required alpn h2
  default_backend servers
backend servers
  server only ${upstream} proto h2 maxconn 4096
`;
      return ["-db", "-f", await put(folder, "haproxy.cfg", config)];
    }),
    "SIGUSR1",
  );
}

/** This library's own, in this process. */
export async function startOwn(upstream: string): Promise<Proxy> {
  const proxy = createProxy({ routes: [{ to: { resolver: staticResolver([upstream]), connector: grpcConnector() } }] });
  const listen = async (tls?: { cert: string; key: string; ca?: string }) =>
    (await proxy.listen({ host: "127.0.0.1", port: 0, ...tls && { tls } })).address;
  const [plain, tls, mtls] = [await listen(), await listen(identity), await listen({ ...identity, ca })];
  const quit = async () => void await shutdown(proxy);
  return { plain, tls, mtls, quit, stop: quit };
}
