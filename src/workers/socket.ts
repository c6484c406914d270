import { opened } from "../socket/opened.ts";
import type { Duplex } from "../socket/duplex.ts";
import { DuplexStream } from "../socket/duplex-stream.ts";
import type { ByteStream } from "../http2/byte-stream.ts";
import { quoted } from "../option.ts";
import { untilAborted } from "../time/until-aborted.ts";
import type { Connect, StreamSocket } from "./connect.ts";
import { WebStream } from "./web-stream.ts";

/** What happens to a socket, for those who count sockets. */
export interface SocketWatcher {
  /** It was opened, or is being opened; the promise settles when it is closed. */
  closes(closed: Promise<unknown>): void;
  /** Its connection has calls, or has none any more. */
  hold(on: boolean): void;
}

/** Opens a byte stream, over TLS if the certificate's name is given. */
export async function openSocket(
  connect: Connect,
  { host, port, serverName }: { readonly host: string; readonly port: number; readonly serverName?: string },
  signal: AbortSignal,
  watcher?: SocketWatcher,
): Promise<ByteStream> {
  signal.throwIfAborted();
  const target = { hostname: host, host, port, ...serverName !== undefined && { servername: serverName } };
  // The certificate is checked for the dialled name, unless TLS is started with another one.
  const renamed = serverName !== undefined && serverName !== host;
  const secureTransport = serverName === undefined ? "off" : renamed ? "starttls" : "on";
  const socket: unknown = connect(target, { secureTransport, allowHalfOpen: false });
  if (isDuplex(socket)) {
    watcher?.closes(new Promise<void>((resolve) => socket.on("close", resolve)));
    return await openedDuplex(socket, serverName !== undefined, signal);
  }
  if (!isStreamSocket(socket)) {
    throw new TypeError(
      `option connect gave ${quoted(socket)}: expected a socket, as of cloudflare:sockets or node:net`,
    );
  }
  const used = renamed ? startTls(socket, serverName) : socket;
  watcher?.closes(used.closed);
  return await openedWeb(used, signal);
}

/** What it returns takes the socket's place. */
function startTls(socket: StreamSocket, serverName: string): StreamSocket {
  socket.closed.catch(() => {});
  try {
    if (socket.startTls === undefined) throw new TypeError("the socket that option connect gave can't start TLS");
    return socket.startTls({ expectedServerHostname: serverName });
  } catch (error) {
    socket.close().catch(() => {});
    throw error;
  }
}

async function openedWeb(socket: StreamSocket, signal: AbortSignal): Promise<ByteStream> {
  // Reported by `opened`.
  socket.closed.catch(() => {});
  try {
    await untilAborted(socket.opened, signal);
    return new WebStream(socket);
  } catch (error) {
    socket.close().catch(() => {});
    throw error;
  }
}

/** Whether a socket of Node's has TLS was decided by the module whose `connect` was given. */
function openedDuplex(socket: Duplex & { encrypted?: boolean }, secure: boolean, signal: AbortSignal) {
  if (secure !== (socket.encrypted === true)) {
    socket.on("error", () => {}).destroy();
    throw new TypeError(
      secure
        ? "TLS is wanted, and option connect gave a socket without: pass connect of node:tls or cloudflare:sockets"
        : "option connect gave a socket with TLS, which is not wanted: set tls: true, or pass connect of node:net",
    );
  }
  return opened(() => socket, secure ? "secureConnect" : "connect", signal, () => new DuplexStream(socket));
}

function isDuplex(socket: unknown): socket is Duplex {
  const { on, write, destroy } = (socket ?? {}) as Partial<Duplex>;
  return [on, write, destroy].every((method) => typeof method === "function");
}

function isStreamSocket(socket: unknown): socket is StreamSocket {
  const { readable, writable, opened, closed, close } = (socket ?? {}) as Partial<StreamSocket>;
  return typeof readable?.getReader === "function" && typeof writable?.getWriter === "function" &&
    typeof close === "function" && [opened, closed].every((promise) => typeof promise?.then === "function");
}
