// Passes bytes on between a client and a server, and watches the client's answers to the server's PINGs.
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { parseAddress } from "../../src/endpoint.ts";
import { CLIENT_PREFACE, concat, decodeFrame, Flag, FrameType } from "../support/raw-http2/frame.ts";

export interface PingRelay {
  readonly address: string;
  /** How many PINGs clients have answered. */
  readonly answered: number;
  /** Settles when a client answers the next one; the answer is on its way to the server then. */
  nextAnswer(): Promise<void>;
  close(): Promise<void>;
}

/** Starts one in front of a server that speaks HTTP/2 in plaintext. */
export async function startPingRelay(target: string): Promise<PingRelay> {
  const sockets: Socket[] = [];
  let answered = 0, waiting: (() => void)[] = [];
  const answer = () => {
    answered++;
    const settle = waiting;
    waiting = [];
    for (const resolve of settle) resolve();
  };
  const listening = createServer({ noDelay: true }, (client) => {
    const server = connect({ ...parseAddress(target), noDelay: true });
    sockets.push(client, server);
    server.pipe(client);
    const read = frameCounter(answer);
    client.on("data", (chunk: Uint8Array) => {
      server.write(chunk);
      read(chunk);
    });
    client.on("close", () => server.destroy()).on("error", () => {});
    server.on("close", () => client.destroy()).on("error", () => {});
  });
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${(listening.address() as AddressInfo).port}`,
    get answered() {
      return answered;
    },
    nextAnswer: () => new Promise((resolve) => waiting.push(resolve)),
    async close() {
      const closed = new Promise((resolve) => listening.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Reads what a client sends; tells each answer to a PING. */
function frameCounter(answer: () => void): (chunk: Uint8Array) => void {
  let held: Uint8Array = new Uint8Array(0), begun = false;
  return (chunk) => {
    held = concat(held, chunk);
    if (!begun && held.length < CLIENT_PREFACE.length) return;
    if (!begun) held = held.subarray(CLIENT_PREFACE.length);
    begun = true;
    for (let frame = decodeFrame(held); frame !== undefined; frame = decodeFrame(held)) {
      held = held.subarray(9 + frame.payload.length);
      if (frame.type === FrameType.ping && (frame.flags & Flag.ack) !== 0) answer();
    }
  };
}
