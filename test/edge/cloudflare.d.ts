// What the tests' workers use of workerd's own module, as `wrangler types` declares it.
declare module "cloudflare:sockets" {
  interface SocketAddress {
    hostname: string;
    port: number;
  }
  interface SocketOptions {
    secureTransport?: string;
    allowHalfOpen: boolean;
    highWaterMark?: number | bigint;
  }
  interface TlsOptions {
    expectedServerHostname?: string;
  }
  interface SocketInfo {
    remoteAddress?: string;
    localAddress?: string;
  }
  interface Socket {
    get readable(): ReadableStream;
    get writable(): WritableStream;
    get closed(): Promise<void>;
    get opened(): Promise<SocketInfo>;
    get upgraded(): boolean;
    get secureTransport(): "on" | "off" | "starttls";
    close(): Promise<void>;
    startTls(options?: TlsOptions): Socket;
  }
  export function connect(address: string | SocketAddress, options?: SocketOptions): Socket;
}
