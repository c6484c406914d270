import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/**
 * The network between the members of an etcd cluster, in which one of them can be cut off from the others while clients
 * still reach it. Each member is reached through a port of this network. Who connects is told by a header that etcd's
 * members send with each request to one another (`X-Server-From`, an id; etcd's server/etcdserver/api/rafthttp).
 */
export class PeerNetwork {
  readonly #servers: Server[] = [];
  readonly #sockets = new Map<Socket, { readonly to: number; from?: string }>();
  /** The ids of members by their number, as far as they are known: a member's id is where others send to. */
  readonly #ids = new Map<number, string>();
  #isolated: number | undefined;

  /** Takes the member that listens on a port in; returns the port for the others. Members are numbered as they come. */
  async join(port: number): Promise<number> {
    const to = this.#servers.length;
    const server = createServer((socket) => this.#accept(socket, to, port));
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return (server.address() as AddressInfo).port;
  }

  /** Nothing goes between this member and the others any more. */
  isolate(member: number): void {
    this.#isolated = member;
    for (const [socket, { to, from }] of this.#sockets) if (this.#isCut(to, from)) socket.destroy();
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets.keys()) socket.destroy();
  }

  #isCut(to: number, from: string | undefined): boolean {
    return this.#isolated !== undefined && (to === this.#isolated || from === this.#ids.get(this.#isolated));
  }

  #accept(socket: Socket, to: number, port: number): void {
    const path: { readonly to: number; from?: string } = { to };
    const member = connect(port, "127.0.0.1");
    this.#sockets.set(socket, path);
    for (const [one, other] of [[socket, member], [member, socket]] as const) {
      one.on("error", () => other.destroy());
      one.on("close", () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
    socket.on("data", (bytes: Uint8Array) => {
      const text = new TextDecoder("latin1").decode(bytes);
      const [, from] = /^X-Server-From: (\w+)\r$/im.exec(text) ?? [];
      const [, id] = /^X-Raft-To: (\w+)\r$/im.exec(text) ?? [];
      if (id !== undefined) this.#ids.set(to, id);
      if (from !== undefined) path.from = from;
      if (this.#isCut(to, path.from)) socket.destroy();
      else member.write(bytes);
    });
    member.pipe(socket);
  }
}
