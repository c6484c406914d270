import type { SocketInfo } from "../snapshot.ts";
import type { Duplex } from "./duplex.ts";

/** What is known of an open socket, of which `under` is what its TLS runs over, if that is another stream. */
export function socketInfo(socket: Duplex, under: Duplex | undefined): SocketInfo {
  const ends = socket.remoteAddress === undefined && under !== undefined ? under : socket;
  const secure = socket.encrypted === true;
  return {
    local: addressOf(ends.localAddress, ends.localPort),
    remote: addressOf(ends.remoteAddress, ends.remotePort),
    secure,
    cipher: secure ? cipherOf(socket) : undefined,
  };
}

/** An address as endpoints spell it. */
export function hostAndPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function addressOf(host: string | undefined, port: number | undefined): string | undefined {
  return host === undefined || port === undefined ? undefined : hostAndPort(host, port);
}

function cipherOf(socket: Duplex): string | undefined {
  try {
    const { name, standardName } = socket.getCipher?.() ?? {};
    return standardName ?? name;
  } catch {
    return undefined; // Not every runtime knows.
  }
}
